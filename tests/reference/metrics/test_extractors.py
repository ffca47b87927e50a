"""Whole metrics on image folders against torch-fidelity and clean-fid, with the same random networks."""

import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image

from bench.core.registry import load
from bench.data.frozen import in_memory
from bench.errors import IntegrityError
from bench.metrics import METRICS
from bench.metrics.features import FEATURES
from bench.metrics.features import clip as clip_features
from bench.metrics.features import inception as inception_features
from bench.metrics.features import vgg as vgg_features
from bench.metrics.features.resample import bicubic_antialiased
from bench.metrics.measure import measure
from bench.metrics.protocols import PROTOCOLS

from .conftest import COUNT, picture, pinned, randomise

CPU = torch.device("cpu")


def measured(folders, names, protocol, cache, batch=32):
    arrays = [in_memory(pixels) for _, pixels in folders]
    metrics = [METRICS[name] for name in names]
    found = measure(*arrays, metrics, FEATURES, PROTOCOLS[protocol], "cpu", cache, batch)
    assert all(m.reason is None for m in found.measurements)
    return {m.name: m for m in found.measurements}


def test_fid_is_and_kid_equal_torch_fidelity(inception, folders, tmp_path):
    from torch_fidelity import calculate_metrics

    (reference, _), (candidate, _) = folders
    theirs = calculate_metrics(
        input1=str(candidate), input2=str(reference), fid=True, isc=True, kid=True, cuda=False, cache=False,
        verbose=False, kid_subset_size=COUNT, feature_extractor_weights_path=str(inception), save_cpu_ram=True,
    )  # fmt: skip
    found = measured(folders, ["fid", "is", "kid"], "torch-fidelity", tmp_path)
    assert found["fid"].value > 1e-3
    assert found["fid"].value == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)
    assert found["is"].value == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
    assert found["kid"].value == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-3, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "mode"), [("clean", "clean"), ("legacy-pytorch", "legacy_pytorch")])
def test_fid_equals_clean_fid(protocol, mode, inception, folders, tmp_path):
    from cleanfid import fid

    network = inception_features.Inception(inception_features._network(lambda name: inception), lambda x: x, CPU)
    scaled = {"clean": lambda x: (x - 128) / 128, "legacy-pytorch": lambda x: x / 127.5 - 1}[protocol]
    (reference, _), (candidate, _) = folders
    theirs = fid.compute_fid(
        str(candidate), str(reference), mode=mode, num_workers=0, device=CPU, use_dataparallel=False, verbose=False,
        custom_feat_extractor=lambda x: network(scaled(x))["pool3"].clone(),
    )  # fmt: skip
    found = measured(folders, ["fid"], protocol, tmp_path)
    assert found["fid"].value == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("mode", ["clean", "legacy_pytorch"])
def test_resizes_equal_clean_fids(mode, folders):
    from cleanfid.resize import build_resizer

    resizer = build_resizer(mode)
    pixels = folders[0][1]
    expected = torch.from_numpy(np.stack([resizer(image.transpose(1, 2, 0)).transpose(2, 0, 1) for image in pixels]))
    if mode == "clean":
        found = inception_features.prepare_clean(torch.from_numpy(pixels)) * 128 + 128
    else:
        found = (inception_features.prepare_pytorch(torch.from_numpy(pixels)) + 1) * 127.5
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)


def test_the_three_resizes_differ(folders):
    """Protocols are not interchangeable: the inputs of the network differ by more than rounding."""
    pixels = torch.from_numpy(folders[0][1][:2])
    inputs = [f(pixels) for f in (inception_features.prepare_tf1, inception_features.prepare_clean)]
    inputs.append(inception_features.prepare_pytorch(pixels))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (inputs[one] - inputs[other]).abs().max() > 0.01


@pytest.mark.parametrize("size", [(48, 64), (512, 300), (299, 299)])
def test_bicubic_equals_pillow_on_floats(size):
    image = picture(np.random.RandomState(0), *size)
    expected = np.stack(
        [
            np.asarray(Image.fromarray(image[:, :, c].astype(np.float32)).resize((299, 299), Image.Resampling.BICUBIC))
            for c in range(3)
        ]
    ).clip(0, 255)
    found = bicubic_antialiased(torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float(), 299, 299)[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-4)


def test_sfid_equals_numpy(inception, folders, tmp_path):
    """mixed_6/conv as NumPy computes it from the activations that enter the block; then the formula by eigenvalues."""
    found = measured(folders, ["sfid"], "adm", tmp_path)["sfid"].value
    state = torch.load(inception, weights_only=True)
    prefix = "Mixed_6d.branch1x1"
    kernel = state[f"{prefix}.conv.weight"][:7, :, 0, 0].double().numpy()
    scale = state[f"{prefix}.bn.weight"][:7].double() / (state[f"{prefix}.bn.running_var"][:7].double() + 0.001).sqrt()
    offset = state[f"{prefix}.bn.bias"][:7].double() - state[f"{prefix}.bn.running_mean"][:7].double() * scale
    network = inception_features._network(lambda name: inception)
    stem = torch.nn.Sequential(*(getattr(network, name) for name in inception_features.BEFORE_SPATIAL))
    features = []
    for _, pixels in folders:
        with torch.no_grad():
            entering = stem(inception_features.prepare_tf1(torch.from_numpy(pixels))).double().numpy()
        values = np.einsum("oc,nchw->nhwo", kernel, entering) * scale.numpy() + offset.numpy()
        features.append(values.clip(0).reshape(len(values), -1))
    assert features[0].shape[1] == 2023
    a, b = (f - f.mean(axis=0) for f in features)
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum() / (COUNT - 1)
    spread = ((a**2).sum() + (b**2).sum()) / (COUNT - 1)
    expected = ((features[0].mean(axis=0) - features[1].mean(axis=0)) ** 2).sum() + spread - 2 * root
    assert found == pytest.approx(expected, rel=1e-6)


def test_features_do_not_depend_on_batch_or_order(inception, folders):
    network = load(FEATURES["inception-clean"].build)(CPU, lambda name: inception)
    pixels = torch.from_numpy(folders[0][1][:6])
    whole = {k: v.clone() for k, v in network(pixels).items()}
    for index in (0, 5):
        for output, values in network(pixels[index : index + 1]).items():
            torch.testing.assert_close(values[0], whole[output][index], rtol=1e-4, atol=1e-5)
    for output, values in network(pixels.flip(0)).items():
        torch.testing.assert_close(values.flip(0), whole[output], rtol=1e-4, atol=1e-5)


def test_clip_fid_equals_clean_fid(folders, tmp_path, monkeypatch):
    """clean-fid's own preprocessing and Fréchet distance; its module ``clip`` is a stub backed by open_clip."""
    torch.manual_seed(0)
    tower = clip_features.vision_tower().eval()
    state = {f"visual.{key}": value for key, value in tower.state_dict().items()}
    torch.save(state | {"logit_scale": torch.ones(())}, tmp_path / "clip.pth")
    stub = types.ModuleType("clip")
    stub.load = lambda name, device: (types.SimpleNamespace(eval=lambda: None, encode_image=tower), None)
    monkeypatch.setitem(sys.modules, "clip", stub)
    from cleanfid import fid

    (reference, _), (candidate, _) = folders
    theirs = fid.compute_fid(
        str(candidate), str(reference), mode="clean", model_name="clip_vit_b_32", num_workers=0, device=CPU,
        use_dataparallel=False, verbose=False,
    )  # fmt: skip
    with pinned("clip-vit-b-32", "clip.pth", tmp_path):
        found = measured(folders, ["clip-fid"], "clean", tmp_path)["clip-fid"].value
    assert found == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("size", [(48, 64), (224, 224), (300, 255), (257, 600)])
def test_clip_preparation_equals_clean_fids(size, monkeypatch):
    monkeypatch.setitem(sys.modules, "clip", types.ModuleType("clip"))
    from cleanfid.clip_features import img_preprocess_clip

    image = picture(np.random.RandomState(1), *size)
    found = clip_features.prepare(torch.from_numpy(image.transpose(2, 0, 1).copy())[None])[0]
    assert np.array_equal(found.numpy().transpose(1, 2, 0), img_preprocess_clip(image))


@pytest.mark.slow
def test_vgg16_equals_torch_fidelity_and_gives_its_precision_and_recall(folders, tmp_path):
    import torchvision
    from torch_fidelity import calculate_metrics

    torch.manual_seed(0)
    network = randomise(torchvision.models.vgg16(weights=None), 1)
    torch.save(network.state_dict(), tmp_path / "vgg16.pth")
    (reference, _), (candidate, _) = folders
    theirs = calculate_metrics(
        input1=str(candidate), input2=str(reference), prc=True, cuda=False, cache=False, verbose=False,
        feature_extractor="vgg16", feature_extractor_weights_path=str(tmp_path / "vgg16.pth"), save_cpu_ram=True,
    )  # fmt: skip
    with pinned("vgg16", "vgg16.pth", tmp_path):
        found = measured(folders, ["precision", "recall"], "torch-fidelity", tmp_path)
    assert found["precision"].value == pytest.approx(theirs["precision"], abs=1e-7)
    assert found["recall"].value == pytest.approx(theirs["recall"], abs=1e-7)


@pytest.mark.parametrize("size", [(48, 64), (224, 224), (256, 256), (257, 600)])
def test_brics_preparation_equals_torchvision_on_pil_images(size):
    from torchvision.transforms import Resize

    image = picture(np.random.RandomState(1), *size)
    found = vgg_features.prepare_pil(torch.from_numpy(image.transpose(2, 0, 1).copy())[None])[0]
    assert found.dtype == torch.uint8
    assert np.array_equal(found.numpy().transpose(1, 2, 0), np.asarray(Resize([224, 224])(Image.fromarray(image))))


@pytest.mark.slow
def test_brics_precision_and_recall_are_those_of_fc2_before_relu(folders, tmp_path):
    """torchvision's VGG16 up to its second fully connected layer, and balls around it in a loop."""
    import torchvision
    from torchvision.transforms import Compose, Normalize, Resize, ToTensor

    torch.manual_seed(0)
    network = randomise(torchvision.models.vgg16(weights=None), 1).eval()
    torch.save(network.state_dict(), tmp_path / "vgg16.pth")
    transform = Compose([Resize([224, 224]), ToTensor(), Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    caught = []
    network.classifier[3].register_forward_hook(lambda module, inputs, output: caught.append(output.clone()))
    for _, pixels in folders:
        pictures = [Image.fromarray(p) for p in np.asarray(pixels).transpose(0, 2, 3, 1)]
        with torch.inference_mode():
            network(torch.stack([transform(p) for p in pictures]))
    reference, candidate = (c.double().numpy() for c in caught)
    with pinned("vgg16", "vgg16.pth", tmp_path):
        ours = load(FEATURES["vgg16-pil"].build)(CPU, lambda name: tmp_path / "vgg16.pth")
        pixels = torch.from_numpy(np.asarray(folders[0][1]))
        np.testing.assert_allclose(ours(pixels)["fc2"].numpy(), reference, rtol=1e-4, atol=1e-5 * reference.std())
        found = measured(folders, ["precision", "recall"], "paper:brics", tmp_path)
    assert (reference < 0).any()
    for name, inside, balls in (("precision", candidate, reference), ("recall", reference, candidate)):
        radii = [np.sort(np.linalg.norm(balls - one, axis=1))[3] for one in balls]  # of three neighbours beside itself
        hits = [(np.linalg.norm(balls - one, axis=1) <= radii).any() for one in inside]
        assert found[name].value == pytest.approx(np.mean(hits), abs=1e-7)
        assert found[name].signature["features"] == "vgg16-pil.fc2"
    assert 0 < found["precision"].value < 1


def test_weights_with_missing_or_extra_keys_are_refused(inception, tmp_path):
    state = torch.load(inception, weights_only=True)
    for change in ("missing", "extra"):
        broken = dict(state)
        if change == "missing":
            del broken["fc.bias"]
        else:
            broken["fc.other"] = torch.zeros(1)
        torch.save(broken, tmp_path / "broken.pth")
        with pytest.raises(IntegrityError, match="does not fit FID's Inception") as error:
            load(FEATURES["inception-tf1"].build)(CPU, lambda name: tmp_path / "broken.pth")
        assert error.value.exit_code == 5
