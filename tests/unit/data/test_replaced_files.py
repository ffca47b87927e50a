"""A file replaced under its name with its size and time: every remembered digest follows the content."""

import hashlib
import os
import shutil
import time
import zipfile

import numpy as np
import pytest

from bench.core.files import settled
from bench.data import image_sets, prepare
from bench.data.datasets.local import open_folder, open_npz
from bench.data.external import Ready, ReadyFiles
from tests import sources


def batch(path, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 20, 20, 3), np.uint8)
    np.savez(path, pixels)
    return path


def bitmaps(path, seed):
    return sources.folder(path, {f"{i}.bmp": sources.encoded(seed + i, "BMP") for i in range(4)})


def archive(path, seed):
    with zipfile.ZipFile(path, "w") as opened:
        for i in range(4):
            opened.writestr(zipfile.ZipInfo(f"{i}.bmp"), sources.encoded(seed + i, "BMP"))
    return path


def replaced(path, other):
    """``cp -p``: the other content under the old name, in the same inode, with the old times of modification."""
    time.sleep(0.2)
    pairs = [(path / file.name, file) for file in other.iterdir()] if path.is_dir() else [(path, other)]
    for old, new in pairs:
        before = old.stat()
        assert before.st_size == new.stat().st_size
        shutil.copyfile(new, old)
        os.utime(old, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = old.stat()
        assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize(("make", "name"), [(batch, "a.npz"), (bitmaps, "a"), (archive, "a.zip")])
def test_score_reads_the_content_that_is_there(tmp_path, make, name):
    path, cache = make(tmp_path / name, 0), tmp_path / "cache"
    time.sleep(0.2)
    before = image_sets.open_set(image_sets.find(path), cache).images.digest
    replaced(path, make(tmp_path / f"other-{name}", 10))
    after = image_sets.open_set(image_sets.find(path), cache).images.digest
    assert before != after
    assert after == image_sets.open_set(image_sets.find(path), tmp_path / "fresh").images.digest


@pytest.mark.parametrize(("opened", "make", "name"), [(open_npz, batch, "a.npz"), (open_folder, bitmaps, "a")])
def test_a_prepared_dataset_follows_the_content(tmp_path, opened, make, name):
    path = make(tmp_path / name, 0)
    ask = sources.request(tmp_path / "cache", path=path)
    time.sleep(0.2)
    before = opened(ask).val.digest
    replaced(path, make(tmp_path / f"other-{name}", 10))
    assert opened(ask).val.digest != before


def test_samples_made_elsewhere_follow_the_content(tmp_path, cache):
    path = bitmaps(tmp_path / "a", 0)
    time.sleep(0.2)
    before = ReadyFiles(Ready("samples", "x", str(path))).digest
    replaced(path, bitmaps(tmp_path / "b", 10))
    assert ReadyFiles(Ready("samples", "x", str(path))).digest != before


def test_a_digest_is_not_remembered_within_the_tick_of_the_change(tmp_path):
    path = sources.folder(tmp_path / "a", {"0.bmp": sources.encoded(0, "BMP")})
    remembered = tmp_path / "cache" / "sources"
    image_sets.open_set(image_sets.find(path), tmp_path / "cache")
    assert not list(remembered.glob("*.bin"))
    time.sleep(0.2)
    image_sets.open_set(image_sets.find(path), tmp_path / "cache")
    assert list(remembered.glob("*.bin"))


def test_a_time_in_whole_seconds_is_waited_for_longer():
    second = time.time_ns() // 1_000_000_000 * 1_000_000_000
    assert not settled(second - 1_000_000_000)
    assert settled(second - 1_000_000_000 + 1)
    assert settled(second - 3_000_000_000)
    assert not settled(time.time_ns() | 1)


def test_verify_reads_again_what_no_time_tells(tmp_path):
    """A memo that is wrong, as after a change that the file system does not show, is found by ``verify`` alone."""
    path, cache = sources.folder(tmp_path / "a", sources.pictures(["0.png", "1.png"])), tmp_path / "cache"
    time.sleep(0.2)
    members = image_sets._members(path)
    right = prepare.source_digests(sources.request(cache, path=path), members)
    (memo,) = (cache / "sources").glob("*.bin")
    wrong = bytes(right[::-1].tobytes())
    memo.write_bytes(wrong + hashlib.sha256(wrong).digest())
    assert prepare.source_digests(sources.request(cache, path=path), members).tobytes() == wrong
    verified = prepare.source_digests(sources.request(cache, path=path, verify=True), members)
    assert verified.tobytes() == right.tobytes()
    assert prepare.source_digests(sources.request(cache, path=path), members).tobytes() == right.tobytes()
