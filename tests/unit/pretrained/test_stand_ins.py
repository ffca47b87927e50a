"""Stand-ins: complete, loadable by the loaders of the real files, equal every time, with gradients, never found."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import pytest
import torch
from safetensors.torch import load_file

from bench.core.registry import load
from bench.errors import Missing, UsageError
from bench.metrics.features import FEATURES
from bench.pretrained import lpips, weights
from bench.pretrained.stand_ins import SHAPES, stand_in
from bench.pretrained.table import WEIGHTS
from methods.brics.losses import vgg_perceptual


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stand-ins")


@pytest.fixture
def images():
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_every_pinned_network_has_a_stand_in():
    assert SHAPES.keys() == WEIGHTS.keys()


@pytest.mark.parametrize("backbone", ["alex", "squeeze", "vgg"])
def test_lpips_on_a_stand_in_tells_images_apart_and_passes_gradients(backbone, folder, images):
    path = stand_in(lpips.LPIPS_WEIGHTS[backbone], folder)
    network = lpips.lpips_network(backbone, weights=path)
    other = images.flip(-1).requires_grad_()
    distance = network(images, other)
    distance.sum().backward()
    assert torch.isfinite(distance).all()
    assert (distance > 1e-3).all()
    assert float(network(images, images).max()) < 1e-6
    assert torch.isfinite(other.grad).all()
    assert float(other.grad.abs().max()) > 0


def test_the_perceptual_loss_of_brics_on_a_stand_in_passes_gradients(folder, images):
    loss = vgg_perceptual(stand_in("vgg16", folder))
    other = images.flip(-1).requires_grad_()
    value = loss(other, images)
    value.backward()
    assert 0.01 < value.item() < 1e3
    assert torch.isfinite(other.grad).all()
    assert float(other.grad.abs().max()) > 0


@pytest.mark.parametrize("name", [n for n, e in FEATURES.items() if e.needs and n not in ("dinov2-l",)])
def test_every_extractor_runs_on_a_stand_in(name, folder, images):
    extractor = load(FEATURES[name].build)(torch.device("cpu"), lambda need: stand_in(need, folder))
    values = extractor(((images + 1) * 127.5).to(torch.uint8))
    assert list(values) == list(FEATURES[name].outputs)
    for output in values.values():
        assert torch.isfinite(output).all()
        assert output.abs().max() < 1e4
        assert not torch.equal(output[0], output[1])


@pytest.mark.slow
def test_the_large_dinov2_runs_on_a_stand_in(folder, images):
    test_every_extractor_runs_on_a_stand_in("dinov2-l", folder, images)


def test_a_stand_in_is_a_function_of_its_name(folder, tmp_path):
    one, other = (load_file(stand_in("squeezenet1_1", where)) for where in (folder, tmp_path))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    same_shape = stand_in("alexnet", folder)
    assert load_file(same_shape)["features.0.weight"].std() > 0


def test_the_scales_are_he_and_batch_norms_are_idle(folder):
    state = load_file(stand_in("inception-2015-12-05", folder))
    weight = state["Mixed_5b.branch3x3dbl_2.conv.weight"]
    assert float(weight.std()) == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.02)
    assert float(state["Mixed_5b.branch3x3dbl_2.bn.running_var"].min()) == 1
    assert float(state["Mixed_5b.branch3x3dbl_2.bn.running_mean"].abs().max()) == 0
    assert state["Mixed_5b.branch3x3dbl_2.bn.num_batches_tracked"].dtype == torch.int64


def test_a_stand_in_is_written_once_and_by_one_process(tmp_path):
    with ProcessPoolExecutor(2) as pool:
        paths = list(pool.map(stand_in, ["squeezenet1_1"] * 2, [tmp_path] * 2))
    assert paths[0] == paths[1]
    before = paths[0].stat().st_mtime_ns
    assert stand_in("squeezenet1_1", tmp_path).stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.glob("*.tmp")] == []


def test_an_unknown_network_has_no_stand_in(tmp_path):
    with pytest.raises(UsageError, match="There is no network 'vgg19'"):
        stand_in("vgg19", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_stand_in_in_a_folder_of_weights_is_not_found(tmp_path, monkeypatch):
    """Not even where a user names the folder of stand-ins as one of weights."""
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path))
    stand_in("squeezenet1_1", tmp_path)
    assert not weights.available("squeezenet1_1")
    with pytest.raises(Missing, match="bench fetch squeezenet1_1"):
        weights.find("squeezenet1_1")
