"""LMDBs with damaged pages, which end the process that reads them: another process does, and the split is named."""

import shutil

import numpy as np
import pytest

from bench.data.datasets import lsun
from bench.data.readers import lmdb
from bench.errors import UsageError
from tests import sources

PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return sources.lmdb_of(tmp_path_factory.mktemp("lmdb") / "church_outdoor_val_lmdb", range(60), side=40)


def read_all(folder):
    """Every record that can be read; the sentence where the database cannot be."""
    try:
        with lmdb.opened(folder) as members:
            found = {}
            for name in members.names:
                try:
                    found[name] = members.read(name)
                except lmdb.BadImage:
                    continue
            return found
    except UsageError as error:
        return str(error)


def test_a_whole_database_is_read_from_several_threads(whole):
    from concurrent.futures import ThreadPoolExecutor

    with lmdb.opened(whole) as members, ThreadPoolExecutor(8) as pool:
        assert len(members.names) == 60
        found = dict(zip(members.names, pool.map(members.read, members.names), strict=True))
    assert {found[sources.lsun_key(i)] for i in range(60)} == {
        sources.encoded(i, "WEBP", 40, 50, quality=90) for i in range(60)
    }


@pytest.mark.parametrize("seed", range(12))
def test_damaged_pages_end_in_a_sentence_and_never_this_process(whole, tmp_path, seed):
    folder = shutil.copytree(whole, tmp_path / whole.name)
    file = folder / lmdb.DATA
    random = np.random.default_rng(seed)
    data = np.frombuffer(file.read_bytes(), np.uint8).copy()
    for page in random.choice(np.arange(1, len(data) // PAGE), 4, replace=False):
        data[page * PAGE : page * PAGE + 64] = random.integers(0, 256, 64)
    file.write_bytes(data.tobytes())
    found = read_all(folder)
    assert isinstance(found, dict) or (whole.name in found and "\n" not in found)


def crashing(folder):
    """Points every leaf of the tree far outside the file: LMDB maps no such page."""
    file = folder / lmdb.DATA
    data = np.frombuffer(file.read_bytes(), np.uint8).copy()
    for page in range(2, len(data) // PAGE):
        flags = int(data[page * PAGE + 10])
        if flags & 2:  # a leaf: its nodes' offsets lie after the header of 16 bytes
            data[page * PAGE + 16 : page * PAGE + 64] = 255
    file.write_bytes(data.tobytes())


def test_a_database_that_ends_its_reader_is_named_by_its_split(tmp_path):
    data = sources.lsun(tmp_path / "data", train=40, val=40)
    crashing(data / "church_outdoor_val_lmdb")
    with pytest.raises(UsageError, match=r"church_outdoor_val_lmdb") as caught:
        lsun.open_lsun(sources.request(tmp_path / "cache", "church", data))
    assert "train_lmdb" not in str(caught.value)


def test_the_reader_of_a_crashing_database_did_crash(tmp_path):
    """The case above is one that ends a process, not one that LMDB itself finds."""
    import subprocess
    import sys

    folder = sources.lmdb_of(tmp_path / "x_lmdb", range(40))
    crashing(folder)
    code = f"import lmdb; e = lmdb.open({str(folder)!r}, readonly=True, lock=False); list(e.begin().cursor())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode < 0
