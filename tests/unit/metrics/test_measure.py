"""The measuring task: one pass, caches by content, absent metrics with reasons."""

import dataclasses
import json

import numpy as np
import pytest

from bench.data.frozen import in_memory
from bench.metrics import METRICS
from bench.metrics.entries import MetricProtocol
from bench.metrics.feature_cache import Features, Moments, Statistics
from bench.metrics.features import FEATURES
from bench.metrics.measure import measure

PROTOCOL = MetricProtocol("test", "test", {})
NAMES = ("psnr", "ssim", "fd-r64", "precision-r64", "recall-r64", "density-r64", "coverage-r64")


def images(seed, count=24, size=32):
    random = np.random.RandomState(seed)
    smooth = random.randint(0, 256, (count, 3, size // 8, size // 8)).repeat(8, axis=2).repeat(8, axis=3)
    return in_memory(np.clip(smooth + random.randint(-9, 10, smooth.shape), 0, 255).astype(np.uint8))


def score(reference, candidate, cache, names=NAMES, **options):
    metrics = [METRICS[name] for name in names]
    measured = measure(reference, candidate, metrics, FEATURES, PROTOCOL, "cpu", cache, **options)
    return measured, {m.name: m for m in measured.measurements}


def test_every_metric_has_a_value_a_direction_and_a_signature(tmp_path):
    measured, found = score(images(0), images(1), tmp_path)
    assert list(found) == list(NAMES)
    for measurement in found.values():
        assert measurement.value is not None
        assert np.isfinite(measurement.value)
        assert measurement.n == 24
        assert measurement.signature["reference"] == images(0).digest[:12]
    for name in ("precision-r64", "recall-r64", "density-r64", "coverage-r64"):
        assert found[name].signature["neighbours"] == (3 if name in ("precision-r64", "recall-r64") else 5)
        assert found[name].signature["balls"] == "closed"
    assert set(measured.per_image) == {"psnr", "ssim"}
    assert measured.per_image["psnr"].mean() == found["psnr"].value


def test_a_set_against_itself_is_perfect(tmp_path):
    _, found = score(images(0), images(0), tmp_path)
    assert found["psnr"].value == 100
    assert found["ssim"].value == pytest.approx(1, abs=1e-12)
    assert found["fd-r64"].value == pytest.approx(0, abs=1e-6)
    assert [found[f"{n}-r64"].value for n in ("precision", "recall", "coverage")] == [1, 1, 1]


def test_second_time_computes_nothing_and_gives_the_same(tmp_path, monkeypatch):
    _, first = score(images(0), images(1), tmp_path)
    monkeypatch.setattr("bench.metrics.image_pass.run", lambda *a: pytest.fail("the images were looked at again"))
    _, second = score(images(0), images(1), tmp_path)
    assert first == second


def test_batch_size_does_not_change_the_numbers(tmp_path):
    _, one = score(images(0), images(1), tmp_path / "one", batch=5)
    _, other = score(images(0), images(1), tmp_path / "other", batch=24)
    assert one["psnr"] == other["psnr"]
    assert one["fd-r64"].value == pytest.approx(other["fd-r64"].value, rel=1e-4)


def test_other_pixels_in_the_same_place_are_measured_anew(tmp_path):
    _, one = score(images(0), images(1), tmp_path)
    _, other = score(images(0), images(2), tmp_path)
    assert one["fd-r64"].value != other["fd-r64"].value


def test_damaged_caches_are_rebuilt(tmp_path):
    _, first = score(images(0), images(1), tmp_path)
    for path in tmp_path.rglob("values.npy"):
        path.write_bytes(path.read_bytes()[:-4] + b"\x00\x00\x80\x3f")
    for position, path in enumerate((tmp_path / "measured").iterdir()):
        text = path.read_text()
        path.write_text(text[: len(text) // 2] if position % 2 else text.replace("0.", "1."))
    _, second = score(images(0), images(1), tmp_path)
    assert first == second


def test_missing_weights_are_a_reason_with_a_command(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    _, found = score(images(0), images(1), tmp_path, ("lpips-alex",))
    assert found["lpips-alex"].value is None
    assert found["lpips-alex"].reason.endswith("python -m bench fetch alexnet")


@pytest.mark.parametrize(
    ("reference", "candidate", "name", "words"),
    [
        (images(0), images(1), "ms-ssim", "at least 161 pixels"),
        (images(0), images(1, count=23), "psnr", "equal counts"),
        (images(0), images(1, size=40), "ssim", "differ in size"),
        (images(0, count=3), images(1, count=3), "precision-r64", "k = 3 needs at least 4"),
        (images(0), images(1, count=1), "fd-r64", "at least two"),
    ],
)
def test_images_that_cannot_be_measured_say_why(tmp_path, reference, candidate, name, words):
    _, found = score(reference, candidate, tmp_path, (name,))
    assert found[name].value is None
    assert words in found[name].reason


def test_sets_of_several_sizes_are_measured_size_by_size(tmp_path):
    _, found = score([images(0), images(2, size=40)], [images(1), images(3, size=40)], tmp_path)
    assert found["psnr"].n == 48
    _, one = score(images(0), images(1), tmp_path, ("psnr",))
    _, other = score(images(2, size=40), images(3, size=40), tmp_path, ("psnr",))
    assert found["psnr"].value == pytest.approx((one["psnr"].value + other["psnr"].value) / 2, rel=1e-12)


def test_a_statistics_file_serves_as_reference_for_what_it_holds(tmp_path):
    moments = Moments(np.zeros(64), np.eye(64), 100)
    statistics = Statistics("digest", 100, {"r64.fc2": Features("the file", None, moments)})
    _, found = score(statistics, images(1), tmp_path)
    assert found["fd-r64"].value > 0
    assert "image with image" in found["psnr"].reason
    assert "mean and covariance only" in found["precision-r64"].reason


def test_cached_numbers_name_their_whole_key(tmp_path):
    score(images(0), images(1), tmp_path, ("fd-r64",))
    (path,) = (tmp_path / "measured").glob("*.json")
    assert json.loads(path.read_text())["key"].startswith(path.stem)


def test_features_that_are_not_finite_are_refused(tmp_path, monkeypatch):
    import torch

    from bench.errors import BenchError
    from bench.metrics.features import r64

    monkeypatch.setattr(r64.R64, "__call__", lambda self, x: {"fc2": torch.full((len(x), 64), torch.nan)})
    with pytest.raises(BenchError, match="r64 features of reference image 0 are not finite"):
        score(images(0), images(1), tmp_path, ("fd-r64",))
    assert not list(tmp_path.rglob("*.tmp"))


def test_bfloat16_is_on_request_and_in_the_signature(tmp_path):
    _, exact = score(images(0), images(1), tmp_path, ("psnr", "fd-r64"))
    _, coarse = score(images(0), images(1), tmp_path, ("psnr", "fd-r64"), precision="bfloat16")
    assert "precision" not in exact["fd-r64"].signature
    assert coarse["fd-r64"].signature["precision"] == "bfloat16"
    assert coarse["fd-r64"].value != exact["fd-r64"].value
    assert coarse["fd-r64"].value == pytest.approx(exact["fd-r64"].value, rel=0.1)
    assert coarse["psnr"] == exact["psnr"]


def test_whatever_decides_features_changes_their_key(tmp_path, monkeypatch):
    """Images, extractor, output, version, convention, precision and the content of the weights."""
    from dataclasses import replace

    from bench.core.fetch import File
    from bench.metrics.signatures import ImageSet, Planner
    from bench.pretrained.table import WEIGHTS

    weights = tmp_path / "net.pth"
    row = replace(WEIGHTS["inception-2015-12-05"], files=(File("net.pth", None, "none", "the test"),))
    monkeypatch.setitem(WEIGHTS, "inception-2015-12-05", row)
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path))

    def key(seed=0, feature="inception-clean.pool3", content=b"weights", precision="float32", **changes):
        weights.write_bytes(content)
        entries = {name: replace(entry, **changes) for name, entry in FEATURES.items()}
        one = ImageSet("a set", images(seed))
        return Planner(one, one, entries, PROTOCOL, precision).feature_key(one, feature)

    keys = [
        key(),
        key(seed=1),
        key(feature="inception-tf1.pool3"),
        key(feature="inception-clean.logits"),
        key(content=b"others"),
        key(precision="bfloat16"),
        key(version=2),
        key(convention={"resize": "another"}),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]


def test_r64_is_the_same_network_everywhere():
    """Its weights by digest, and one number on fixed images: a change of either needs a new version in the table."""
    import torch

    from bench.core import digest
    from bench.metrics.features import r64

    assert digest.of_weights(r64._network().state_dict(), "r64")[:16] == "886c395db7214134"
    values = r64.build(torch.device("cpu"), None)(torch.from_numpy(images(0, 2).pixels))["fc2"]
    assert values.shape == (2, 64)
    assert float(values.double().square().sum()) == pytest.approx(188.470670, rel=1e-4)


def test_the_signature_of_kid_says_the_size_of_its_subsets(tmp_path):
    """24 images are no subset of 1,000, and the whole of them has no deviation."""
    protocol = dataclasses.replace(PROTOCOL, features={"kid": "r64.fc2"}, subsets=5)
    for size, there in ((1000, 24), (20, 20)):
        asked = dataclasses.replace(protocol, subset_size=size)
        (found,) = measure(images(0), images(1), [METRICS["kid"]], FEATURES, asked, "cpu", tmp_path).measurements
        assert found.signature["subset_size"] == there
        assert (found.deviation is None) == (size == 1000)
