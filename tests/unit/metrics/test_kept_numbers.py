"""Numbers kept in a cache before a formula moved to another file are found, not measured again."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data.frozen import in_memory
from bench.metrics import METRICS
from bench.metrics.entries import MetricProtocol
from bench.metrics.features import FEATURES
from bench.metrics.measure import measure
from bench.metrics.signatures import FORMERLY, ImageSet, Planner

CACHE = Path(__file__).parents[2] / "golden" / "cache"
"""A cache of before, holding the PSNR of the images below."""
PROTOCOL = MetricProtocol("test", "test", {}, subset_size=5)
KEYS = {
    "psnr": "b3d9f13d2fa29de8",
    "ssim": "b4b1ef33aaa9a777",
    "lpips-alex": "f0933f26d3c2fb2c",
    "lpips-vgg": "1112379f29aa7638",
    "lpips-squeeze": "10927db6b1d46341",
    "fid": "10e0873eef6e6de6",
    "kid": "933dbe5bd5afbf17",
    "is": "1c277feec786e295",
    "fid-infinity": "2b93789d0abd1316",
}
"""First digits of the keys from before, without the weights' part, set metrics on r64.fc2.

The subsets of KID are smaller than the sets: of subsets as large as a set, what was kept before says another size.
"""


def images(factor):
    return in_memory((np.arange(6 * 3 * 16 * 16).reshape(6, 3, 16, 16) * factor % 256).astype(np.uint8))


@pytest.mark.parametrize("name", KEYS)
def test_a_key_says_where_the_formula_was(name):
    planner = Planner(ImageSet("one", images(7)), ImageSet("other", images(11)), FEATURES, PROTOCOL)
    metric = METRICS[name]
    asked = dataclasses.replace(metric, needs=(), features=metric.features and "r64.fc2", smallest_side=1)
    planned = planner.plan(asked)
    assert planned.key[:16] == KEYS[name]


def test_every_moved_formula_is_one_of_the_table():
    functions = {f"{m.function.__module__}:{m.function.__name__}" for m in METRICS.values()}
    assert set(FORMERLY) <= functions
    assert not set(FORMERLY.values()) & {function.partition(":")[0] for function in functions}


def test_a_cache_of_before_is_read(tmp_path, monkeypatch):
    shutil.copytree(CACHE, tmp_path / "cache")
    monkeypatch.setattr("bench.metrics.image_pass.run", lambda *a: pytest.fail("the images were looked at again"))
    measured = measure(images(7), images(11), [METRICS["psnr"]], FEATURES, PROTOCOL, "cpu", tmp_path / "cache")
    assert [m.value for m in measured.measurements] == [7.685406004754994]
