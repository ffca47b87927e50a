"""``run --verify``: every source file of the dataset is read again."""

import hashlib
import shutil
import time

import pytest

from bench.data.datasets import lsun
from bench.errors import IntegrityError
from bench.run.config import RunConfig
from bench.run.opening import open_dataset
from tests import sources


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def opened(dataset, verify=False):
    return open_dataset(RunConfig(("downsample",), dataset=dataset, preset="smoke", verify=verify)).val.digest


def test_a_memo_that_no_time_betrays_is_made_again(tmp_path, cache):
    names = [f"{i}.png" for i in range(2)]
    path = sources.folder(tmp_path / "data", {n: sources.encoded(i, height=40, width=40) for i, n in enumerate(names)})
    time.sleep(0.2)
    right = opened(f"testset:{path}")
    (memo,) = (cache / "sources").glob("*.bin")
    wrong = memo.read_bytes()[32:64] * 2
    memo.write_bytes(wrong + hashlib.sha256(wrong).digest())
    shutil.rmtree(cache / "sets")
    with pytest.raises(IntegrityError, match="changed after it was first read; add --verify"):
        opened(f"testset:{path}")
    assert opened(f"testset:{path}", verify=True) == right
    assert opened(f"testset:{path}") == right


def test_a_dataset_with_a_name_is_read_from_where_it_was_prepared(tmp_path, cache):
    data = sources.lsun(tmp_path / "data", side=40)
    lsun.open_lsun(sources.request(cache, "church", data, resolution=32))
    before = opened("church")
    shutil.rmtree(data)
    sources.lsun(data, train=3, val=2, side=40)
    assert opened("church") == before, "what was prepared is opened without its source"
    assert opened("church", verify=True) != before
    after = opened("church")
    assert after != before
    shutil.rmtree(data)
    assert opened("church", verify=True) == after, "without a source there is nothing to read again"
