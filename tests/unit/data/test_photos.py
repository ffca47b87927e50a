"""The embedded photographs: their files, their crops, the split, and that they follow from the originals."""

import dataclasses
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bench.data import frozen as arrays
from bench.data import manifest, prepare
from bench.data.datasets import photos
from bench.errors import IntegrityError, Missing, UsageError
from tests import sources
from tests.scripts import embedded_photographs

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return photos.open_photos(sources.request(tmp_path_factory.mktemp("cache"), "photos", resolution=64))


def names(frozen):
    return [line["name"] for line in manifest.lines(frozen.folder / arrays.SOURCES)]


def test_the_files_are_the_24_that_the_table_pins():
    table = photos.photographs()
    assert [photo.name for photo in table] == [f"kodim{i:02d}" for i in range(1, 25)]
    for photo in table:
        assert hashlib.sha256(photo.file.read_bytes()).hexdigest() == photo.sha256
        assert photos.load(photo).shape == (photo.height, photo.width, 3)
        assert sorted((photo.height, photo.width)) == [256, 384]
    assert len({photo.original_sha256 for photo in table}) == 24
    assert {path.name for path in photos.FOLDER.iterdir()} == {p.file.name for p in table} | {
        "source.toml",
        "LICENSE.md",
    }


def test_eighteen_train_and_six_others_validate(opened):
    train, val = photos.split()
    assert (len(train), len(val)) == (18, 6)
    assert not set(train) & set(val)
    assert {photo.name for photo in val} == set(photos.VALIDATION) == set(opened.facts["val_photographs"])
    for frozen, part in ((opened.train, train), (opened.val, val)):
        assert {name.partition("@")[0] for name in names(frozen)} == {photo.name for photo in part}


@pytest.mark.parametrize(("side", "train", "val"), [(32, 6210, 576), (64, 4914, 144), (128, 2754, 36), (256, 162, 12)])
def test_how_many_crops_there_are(side, train, val):
    parts = photos.split()
    assert len(list(photos.crops(parts[0], photos.train_corners, side))) == train
    assert len(list(photos.crops(parts[1], photos.val_corners, side))) == val


@pytest.mark.parametrize("side", [1, 60, 64, 100, 128, 255, 256])
@pytest.mark.parametrize("length", [256, 384])
def test_validation_crops_cover_an_edge_with_as_few_as_can_be(length, side):
    corners = photos.val_corners(length, side)
    covered = np.zeros(length, int)
    for corner in corners:
        assert 0 <= corner <= length - side
        covered[corner : corner + side] += 1
    assert covered.min() >= 1
    assert (len(corners) - 1) * side < length


def test_crops_are_the_pixels_of_the_photographs(opened):
    assert (len(opened.train), len(opened.val)) == (4914, 144)
    pixels = {photo.name: photos.load(photo) for photo in photos.photographs()}
    for frozen in (opened.train, opened.val):
        for i, name in enumerate(names(frozen)[:50]):
            stem, _, place = name.partition("@")
            left, top, side = map(int, place.split(","))
            crop = pixels[stem][top : top + side, left : left + side]
            assert np.array_equal(frozen.pixels[i], crop.transpose(2, 0, 1))


def test_whole_photographs_are_members_of_both_shapes(tmp_path):
    members = photos.whole(photos.split()[1])
    assert [members.decode(members.read(name), name).pixels.shape for name in members.names] == [
        (photo.height, photo.width, 3) for photo in photos.split()[1]
    ]
    assert {members.pixels(name).encoding for name in members.names} == {"webp"}
    frozen = prepare.freeze(sources.request(tmp_path, "photos", resolution=32), members, "val")
    assert len(frozen) == 6


def test_at_native_size_the_six_are_measured_whole_and_crops_are_trained_on(tmp_path):
    request = dataclasses.replace(sources.request(tmp_path, "photos", resolution=64), protocol="native")
    opened = photos.open_photos(request)
    sizes = sorted(tuple(size) for size in opened.val.sizes.tolist())
    assert sizes == sorted((photo.height, photo.width) for photo in photos.split()[1])
    assert len(opened.train) == 4914
    assert len(opened.cropped_val) == 144


def test_what_is_frozen_already_is_found_without_reading_a_photograph(opened, monkeypatch):
    request = sources.request(opened.val.folder.parents[1], "photos", resolution=64)
    monkeypatch.setattr(photos, "FOLDER", Path("/absent"))
    assert photos.open_photos(request).val.digest == opened.val.digest


def test_a_resolution_that_photos_cannot_give_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="up to 256 px, not 257"):
        photos.open_photos(sources.request(tmp_path, "photos", resolution=257))


def test_another_file_in_the_place_of_a_photograph_is_noticed():
    photo = photos.photographs()[2]
    with pytest.raises(IntegrityError, match=r"kodim03\.webp is not the photograph"):
        photos.load(dataclasses.replace(photo, sha256="0" * 64))
    with pytest.raises(Missing, match="reinstall"):
        photos.load(dataclasses.replace(photo, name="absent"))


def test_the_script_takes_the_mean_of_four_pixels():
    block = np.array([[[0, 255, 1], [1, 255, 2]], [[0, 255, 3], [1, 254, 4]]], np.uint8)
    assert embedded_photographs.halved(block).tolist() == [[[1, 255, 3]]]  # 0.5, 254.75 and 2.5
    assert embedded_photographs.halved(np.zeros((512, 768, 3), np.uint8)).shape == (256, 384, 3)


@pytest.mark.slow
@pytest.mark.skipif("BENCH_KODAK" not in os.environ, reason="BENCH_KODAK names no folder of the 24 Kodak photographs")
def test_the_script_makes_the_photographs_from_the_originals(tmp_path, monkeypatch):
    embedded_photographs.make(Path(os.environ["BENCH_KODAK"]), tmp_path)
    kept = photos.photographs()
    before = {photo.name: (photos.load(photo), photo.original_sha256) for photo in kept}
    monkeypatch.setattr(photos, "FOLDER", tmp_path)
    photos.photographs.cache_clear()
    for photo in photos.photographs():
        assert np.array_equal(photos.load(photo), before[photo.name][0])
        assert photo.original_sha256 == before[photo.name][1]
    photos.photographs.cache_clear()


@pytest.mark.slow
def test_the_wheel_holds_the_photographs(tmp_path):
    """Builds the wheel of this checkout; pip brings setuptools for it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if name.startswith(("bench/", "methods/", "pyproject", "README", "LICENSE")):
            (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "tree" / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path / "out", tmp_path / "tree"]
    subprocess.run(command, check=True)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    held = {info.filename: info for info in zipfile.ZipFile(wheel).infolist()}
    for photo in photos.photographs():
        assert held[f"bench/data/datasets/photographs/{photo.file.name}"].file_size == photo.file.stat().st_size
    assert {f"bench/data/datasets/photographs/{name}" for name in ("source.toml", "LICENSE.md")} <= held.keys()
