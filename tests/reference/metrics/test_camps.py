"""The metrics of released evaluation code, each against the library that the code calls, called as the code does.

The reconstruction is of 8 bits and exact, as a codec's is: what the code computes from unrounded values is known then.
"""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.data.frozen import in_memory
from bench.metrics import METRICS, expand, measured
from bench.metrics.features import FEATURES
from bench.metrics.measure import measure
from bench.metrics.protocols import CAMPS, PROTOCOLS

from .conftest import picture

COUNT = 10
"""Not a multiple of any batch size, so that the mean of batch means is not the mean."""


@pytest.fixture(scope="module")
def images():
    """Crops and their JPEG versions of falling quality, uint8 ``[N, 3, H, W]`` each."""
    random = np.random.RandomState(5)
    originals = [picture(random, 40, 56) for _ in range(COUNT)]
    originals[0] = np.clip(originals[0] // 8 + 118, 0, 255).astype(np.uint8)
    decoded = []
    for index, pixels in enumerate(originals):
        held = io.BytesIO()
        Image.fromarray(pixels).save(held, "jpeg", quality=90 - 8 * index)
        decoded.append(np.asarray(Image.open(held)))
    return tuple(np.stack(made).transpose(0, 3, 1, 2).copy() for made in (originals, decoded))


def value(name, images, tmp_path, exact=True):
    arrays = [in_memory(array) for array in images]
    found = measure(
        *arrays, expand([name]), FEATURES, PROTOCOLS["clean"], "cpu", tmp_path / "cache", batch=3, exact=exact
    )
    return found.measurements[0]


def batch_means(values, size):
    return np.mean([np.mean(values[start : start + size]) for start in range(0, len(values), size)])


def last(images):
    """Channels last."""
    return images.transpose(0, 2, 3, 1)


def signed(images):
    """What a loader of [-1, 1] gives, float32."""
    return torch.from_numpy((images / 127.5 - 1.0).astype(np.float32))


def scikit_uniform(one, other, data_range):
    return structural_similarity(one, other, data_range=data_range, channel_axis=-1)


def llamagen_ssim(one, other):
    """The reconstruction from 8 bits, the original through [-1, 1], the range 2."""
    original = (signed(one).permute(0, 2, 3, 1).numpy() + 1.0) / 2.0
    restored = last(other).astype(np.float32) / 255.0
    return np.mean([scikit_uniform(b, a, 2.0) for a, b in zip(original, restored, strict=True)])


def llamagen_psnr(one, other):
    original = (signed(one).permute(0, 2, 3, 1).numpy() + 1.0) / 2.0
    restored = last(other).astype(np.float32) / 255.0
    return np.mean([peak_signal_noise_ratio(b, a) for a, b in zip(original, restored, strict=True)])


def cut(images):
    """[-1, 1] to [0, 1], times 255, cast to 8 bits, back to [0, 1]."""
    levels = ((signed(images) + 1) / 2 * 255.0).permute(0, 2, 3, 1).to(torch.uint8).numpy()
    return levels.astype(np.float32) / 255.0


def seed_voken_ssim(one, other):
    pairs = zip(cut(other), cut(one), strict=True)
    return batch_means([scikit_uniform(a, b, 1.0) for a, b in pairs], 4)


def seed_voken_psnr(one, other):
    return batch_means([peak_signal_noise_ratio(a, b) for a, b in zip(cut(one), cut(other), strict=True)], 4)


def lightningdit_ssim(one, other):
    from torchmetrics.image import StructuralSimilarityIndexMeasure

    found = []
    for start in range(0, COUNT, 8):
        metric = StructuralSimilarityIndexMeasure(data_range=(-1.0, 1.0))
        found.append(metric(signed(other[start : start + 8]), signed(one[start : start + 8])).item())
    return np.mean(found)


def eq_vae_ssim(one, other):
    from torchmetrics.image import StructuralSimilarityIndexMeasure

    metric = StructuralSimilarityIndexMeasure()
    return np.mean([metric(signed(b[None]), signed(a[None])).item() for a, b in zip(one, other, strict=True)])


def rounded_psnr(one, other):
    """LightningDiT's and EQ-VAE's, of PNG files."""
    error = ((torch.from_numpy(one).float() - torch.from_numpy(other).float()) ** 2).mean(dim=(1, 2, 3))
    return (20 * torch.log10(255.0 / error.sqrt())).mean().item()


def bsq_vit_ssim(one, other):
    from pytorch_msssim import ssim

    scaled = [(signed(images) + 1) * 127.5 for images in (one, other)]
    return ssim(*scaled, data_range=255, size_average=False).mean().item()


def bsq_vit_psnr(one, other):
    error = (((signed(one) + 1) * 127.5 - (signed(other) + 1) * 127.5) ** 2).mean(dim=(1, 2, 3))
    return (20 * torch.log10(255.0 / error.sqrt())).mean().item()


def rae_ssim(one, other):
    from torchmetrics.functional.image.ssim import structural_similarity_index_measure

    unit = [torch.from_numpy(images).float() / 255 for images in (one, (other / 255 * 255).astype(np.uint8))]
    found = structural_similarity_index_measure(target=unit[0], preds=unit[1], data_range=1.0, reduction="none")
    return found.mean().item()


def rae_psnr(one, other):
    error = ((torch.from_numpy(one).float() / 255 - torch.from_numpy(other).float() / 255) ** 2).mean(dim=(1, 2, 3))
    return (20 * torch.log10(1 / error.clamp(min=1e-10).sqrt())).mean().item()


def wetok_ssim(one, other):
    return np.mean([scikit_uniform(a, b, 255) for a, b in zip(last(one), last(other), strict=True)])


CALLS = [
    ("llamagen", "ssim-uniform7-range2", llamagen_ssim),
    ("llamagen", "psnr", llamagen_psnr),
    ("seed-voken", "ssim-uniform7-truncated-batches4", seed_voken_ssim),
    ("seed-voken", "psnr-truncated-batches4", seed_voken_psnr),
    ("lightningdit", "ssim-signed-reflected-batches8", lightningdit_ssim),
    ("lightningdit", "psnr", rounded_psnr),
    ("eq-vae", "ssim-signed-reflected-own-range", eq_vae_ssim),
    ("eq-vae", "psnr", rounded_psnr),
    ("bsq-vit", "ssim-unrounded", bsq_vit_ssim),
    ("bsq-vit", "psnr-unrounded", bsq_vit_psnr),
    ("rae", "ssim-reflected-truncated", rae_ssim),
    ("rae", "psnr-truncated", rae_psnr),
    ("every-camp", "ssim-uniform7", wetok_ssim),
]


@pytest.mark.parametrize(("camp", "name", "call"), CALLS, ids=[f"{camp}-{name}" for camp, name, _ in CALLS])
def test_a_camps_number_is_that_of_the_library_it_calls(camp, name, call, images, tmp_path):
    assert name in PROTOCOLS[camp].pairs or camp == "every-camp"
    found = value(name, images, tmp_path)
    assert found.value == pytest.approx(call(*images), abs=1e-5)


def test_the_conventions_of_ssim_give_different_numbers(images):
    """A formula that took the place of another one would fail above."""
    found = sorted(call(*images) for call in {n: c for _, n, c in CALLS if n.startswith("ssim")}.values())
    assert len(found) == 7
    assert min(np.diff(found)) > 1e-4


def test_every_psnr_and_ssim_of_a_camp_has_such_a_test():
    tested = {(camp, name) for camp, name, _ in CALLS}
    for camp in CAMPS:
        for name in camp.pairs:
            assert (camp.name, name) in tested or name.startswith("lpips")


def test_large_images_in_strips_have_the_same_value(images, tmp_path, monkeypatch):
    from bench.metrics.formulas import ssim

    names = [name for _, name, _ in CALLS if name.startswith("ssim")]
    whole = {name: value(name, images, tmp_path / "whole").value for name in names}
    monkeypatch.setattr(ssim, "STRIP", 900)
    for name in names:
        assert value(name, images, tmp_path / "strips").value == pytest.approx(whole[name], rel=1e-12)


def test_the_range_2_of_images_in_0_1_inflates_by_what_scikit_image_gives(images, tmp_path):
    right, wrong = (value(name, images, tmp_path).value for name in ("ssim-uniform7", "ssim-uniform7-range2"))
    assert wrong - right == pytest.approx(llamagen_ssim(*images) - wetok_ssim(*images), abs=1e-5)
    assert wrong - right > 0.02


def test_unrounded_values_are_absent_on_images_of_8_bits_unless_they_are_exact(images, tmp_path):
    for name in ("psnr-unrounded", "ssim-uniform7-truncated-batches4", "lpips-alex-unrounded"):
        found = value(name, images, tmp_path, exact=False)
        assert found.value is None
        assert "bench score --exact" in found.reason
    exact = value("psnr-unrounded", images, tmp_path)
    assert exact.signature["reconstruction"] == "8-bit values, said to be exact"
    assert "reconstruction" not in value("psnr", images, tmp_path).signature


def test_images_without_a_range_have_no_value_under_the_protocol_that_takes_it_from_them(images, tmp_path):
    flat = [array.copy() for array in images]
    flat[0][3], flat[1][3] = 90, 91
    found = value("ssim-signed-reflected-own-range", flat, tmp_path)
    assert found.value is None
    assert "is not defined for 1 of 10 images, the first of which is number 3" in found.reason
    assert value("ssim-signed-reflected-own-range", flat, tmp_path).reason == found.reason, "from the cache"


def test_a_shared_formula_runs_once(images, tmp_path, monkeypatch):
    from dataclasses import replace

    calls = []

    def counted(reference, candidate, tools):
        calls.append(len(reference))
        return METRICS["psnr"].function(reference, candidate, tools)

    rows = [replace(METRICS[name], function=counted) for name in ("psnr", "psnr-unrounded", "psnr-truncated")]
    arrays = [in_memory(array) for array in images]
    measure(*arrays, rows, FEATURES, PROTOCOLS["clean"], "cpu", tmp_path / "cache", batch=COUNT, exact=True)
    assert calls == [COUNT]


def test_metrics_of_camps_are_measured_only_where_their_protocol_is():
    usual = set(measured(PROTOCOLS["clean"]))
    assert not any(METRICS[name].named_only for name in usual)
    assert set(measured(PROTOCOLS["llamagen"])) == usual | {"ssim-uniform7-range2"}
    every = set(measured(PROTOCOLS["every-camp"]))
    assert every == usual | {name for camp in CAMPS for name in camp.pairs}
