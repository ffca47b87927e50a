"""From members to frozen splits: order, content split, policies, duplicates, memory of digests."""

import dataclasses
import hashlib
import os
import time
from contextlib import contextmanager

import numpy as np
import pytest

from bench.core import images
from bench.data import frozen as arrays
from bench.data import manifest, prepare
from bench.data.datasets.local import open_folder
from bench.data.prepare import by_content
from bench.data.readers import files as members
from bench.data.readers.files import open_path
from bench.errors import IntegrityError, UsageError
from tests import sources


def test_images_are_stored_in_the_order_of_their_source_digests(tmp_path):
    path = sources.split_folder(tmp_path / "data", 9, 3)
    made = open_folder(sources.request(tmp_path / "cache", path=path))
    files = sorted((path / "train").iterdir(), key=lambda file: hashlib.sha256(file.read_bytes()).digest())
    expected = [images.ldm(images.decode(file, "x").pixels, 16).transpose(2, 0, 1) for file in files]
    assert np.array_equal(made.train.pixels, np.stack(expected))
    assert [line["name"] for line in _lines(made.train)] == [f"train/{file.name}" for file in files]
    assert made.name == "folder:data"


def _lines(frozen):
    return list(manifest.lines(frozen.folder / arrays.SOURCES))


def test_the_manifest_has_the_digest_of_every_source_image(tmp_path):
    path = sources.split_folder(tmp_path / "data")
    made = open_folder(sources.request(tmp_path / "cache", path=path))
    for line in _lines(made.val):
        assert line["sha256"] == hashlib.sha256((path / line["name"]).read_bytes()).hexdigest()
        assert line["encoding"] == "png"
        assert line["size"] == [20, 24]


def test_without_splits_a_tenth_is_held_out_by_content(tmp_path):
    files = sources.pictures(f"{i}.png" for i in range(60))
    made = open_folder(sources.request(tmp_path / "cache", path=sources.folder(tmp_path / "a", files)))
    held = {name for name, data in files.items() if int.from_bytes(hashlib.sha256(data).digest()[:8], "big") % 10 == 0}
    assert {line["name"] for line in _lines(made.val)} == held
    assert len(made.train) + len(made.val) == 60
    renamed = {f"z/{name}": data for name, data in files.items()}
    again = open_folder(sources.request(tmp_path / "cache", path=sources.zipped(tmp_path / "b.zip", renamed)))
    assert (again.train.digest, again.val.digest) == (made.train.digest, made.val.digest)
    assert again.train.folder == made.train.folder


def test_a_content_split_of_few_images_has_both_sides_and_one_image_is_too_few(tmp_path):
    for count in (2, 3):
        path = sources.folder(tmp_path / str(count), sources.pictures(f"{i}.png" for i in range(count)))
        train, val = by_content(sources.request(tmp_path / "cache", path=path), open_path(path))
        assert len(train.names) >= 1
        assert len(val.names) >= 1
    same = sources.folder(tmp_path / "same", dict.fromkeys(("a.png", "b.png"), sources.encoded(0)))
    with pytest.raises(UsageError, match="two different images"):
        by_content(sources.request(tmp_path / "cache", path=same), open_path(same))


@pytest.mark.parametrize(("count", "trained"), [(24, False), (40, True)])
def test_a_folder_of_few_images_is_a_test_set(tmp_path, count, trained):
    path = sources.folder(tmp_path / "data", sources.pictures(f"{i}.png" for i in range(count)))
    made = open_folder(sources.request(tmp_path / "cache", path=path))
    assert (made.train is not None) == trained
    assert (len(made.val) == count) != trained


def test_protocol_and_resolution_are_part_of_the_set(tmp_path):
    path = sources.split_folder(tmp_path / "data")
    made = {
        open_folder(sources.request(tmp_path / "cache", path=path, protocol=p, resolution=r)).val.digest
        for p in images.PROTOCOLS
        for r in (8, 16)
    }
    assert len(made) == 8
    with pytest.raises(UsageError, match=r"data protocol 'lmd'.*ldm"):
        open_folder(sources.request(tmp_path / "cache", path=path, protocol="lmd"))


def test_the_second_opening_decodes_nothing(tmp_path, monkeypatch):
    path = sources.split_folder(tmp_path / "data")
    ask = sources.request(tmp_path / "cache", path=path)
    time.sleep(0.2)  # digests of a file that changed within one tick of the clock are not remembered
    first = open_folder(ask)

    def never(*_):
        raise AssertionError("an unchanged source was decoded again")

    monkeypatch.setattr(images, "decode", never)
    monkeypatch.setattr(prepare, "_hasher", never)
    assert open_folder(ask).train.digest == first.train.digest


def test_a_file_changed_in_place_gives_another_set(tmp_path):
    path = sources.split_folder(tmp_path / "data")
    ask = sources.request(tmp_path / "cache", path=path)
    first = open_folder(ask)
    (path / "val" / "0.png").write_bytes(sources.encoded(99))
    again = open_folder(ask)
    assert again.val.digest != first.val.digest
    assert again.train.digest == first.train.digest


def test_a_damaged_memo_of_digests_is_made_anew(tmp_path):
    path = sources.split_folder(tmp_path / "data")
    ask = sources.request(tmp_path / "cache", path=path)
    first = open_folder(ask)
    for memo in (tmp_path / "cache" / "sources").glob("*.bin"):
        memo.write_bytes(memo.read_bytes()[:-1] + b"\0")
    assert open_folder(ask).train.digest == first.train.digest


def test_a_damaged_set_is_made_anew(tmp_path):
    path = sources.split_folder(tmp_path / "data")
    ask = sources.request(tmp_path / "cache", path=path)
    first = open_folder(ask)
    (first.val.folder / arrays.PIXELS).write_bytes(b"")
    assert open_folder(ask).val.digest == first.val.digest


def bad_folder(tmp_path):
    files = sources.pictures([f"{part}/{i}.png" for part in ("train", "val") for i in range(5)])
    files["train/torn.jpg"] = sources.encoded(50, "JPEG", 200, 200)[:1500]
    files["train/tiny.png"] = sources.encoded(51, height=15, width=90)
    files["train/empty.png"] = b""
    files["train/text.png"] = b"this is no picture"
    return sources.folder(tmp_path / "data", files)


def test_bad_images_are_left_out_counted_and_named(tmp_path):
    made = open_folder(sources.request(tmp_path / "cache", path=bad_folder(tmp_path)))
    about = made.facts["train"]
    assert (about["count"], about["bad"]) == (5, 4)
    reasons = " ".join(line["bad"] for line in _lines(made.train) if "bad" in line)
    assert "torn.jpg" in reasons
    assert "tiny.png is 90 x 15, smaller than the 16 px" in reasons


@pytest.mark.parametrize("already", [True, False])
def test_on_bad_fail_names_the_image_also_when_the_set_is_there(tmp_path, already):
    ask = sources.request(tmp_path / "cache", path=bad_folder(tmp_path))
    if already:
        open_folder(ask)
    with pytest.raises(UsageError, match=r"(torn\.jpg|tiny\.png|empty\.png|text\.png)") as caught:
        open_folder(dataclasses.replace(ask, on_bad="fail"))
    assert str(tmp_path / "data") in str(caught.value)
    assert "--on-bad skip" in str(caught.value)


def test_a_source_whose_images_are_all_too_small_says_so(tmp_path):
    path = sources.split_folder(tmp_path / "data")
    with pytest.raises(
        UsageError, match=r"No image .*: all 3 are smaller than 64 px \(The image val/\d.png is 24 x 20\)"
    ):
        open_folder(sources.request(tmp_path / "cache", path=path, resolution=64))


def test_validation_images_that_training_has_too_are_reported(tmp_path):
    files = sources.pictures(["train/a.png", "train/b.png", "val/c.png"]) | {"val/twin.png": sources.encoded(0)}
    made = open_folder(sources.request(tmp_path / "cache", path=sources.folder(tmp_path / "data", files)))
    assert made.facts["duplicates"] == {"count": 1, "examples": ["val/twin.png"]}


def test_a_source_that_changes_while_it_is_prepared_is_noticed(tmp_path):
    found = members.open_path(sources.split_folder(tmp_path / "data"))
    reads = {}

    def read(name):
        reads[name] = reads.get(name, 0) + 1
        return sources.encoded(reads[name])

    with pytest.raises(IntegrityError, match="changed after it was first read; add --verify"):
        prepare.freeze(sources.request(tmp_path / "cache"), dataclasses.replace(found, read=read), "train")


def test_progress_counts_every_image(tmp_path):
    seen = []

    @contextmanager
    def progress(title, total):
        counts = []
        yield counts.append
        seen.append((title, sum(counts), total))

    path = sources.split_folder(tmp_path / "data")
    open_folder(dataclasses.replace(sources.request(tmp_path / "cache", path=path), progress=progress))
    assert [row for row in seen if row[0].startswith("prepare")] == [("prepare val", 3, 3), ("prepare train", 6, 6)]


def test_labels_follow_their_images_into_the_order(tmp_path):
    files = sources.pictures([f"{part}/{c}/{i}.png" for part in ("train", "val") for c in "ab" for i in range(4)])
    made = open_folder(sources.request(tmp_path / "cache", path=sources.folder(tmp_path / "data", files)))
    good = [line["name"] for line in _lines(made.train)]
    assert made.train.labels.tolist() == [int("/b/" in name) for name in good]
    assert made.train.manifest["classes"] == ["a", "b"]
    assert arrays.first(made.train, 3).labels.tolist() == made.train.labels[:3].tolist()


def test_results_say_which_pixels_were_measured(tmp_path):
    from bench.run.runner import data_facts

    made = open_folder(
        sources.request(tmp_path / "cache", path=sources.split_folder(tmp_path / "data"), protocol="adm")
    )
    told = data_facts(made)
    assert (told["name"], told["protocol"], told["resolution"]) == ("folder:data", "adm", 16)
    assert told["val"]["digest"] == made.val.digest


@pytest.mark.slow
def test_a_zip_of_real_photographs_is_read_whole(tmp_path):
    """BENCH_PHOTOS_ZIP names a zip of 64 px JPEG photographs in 20,000 train/ and 5,000 val/ files."""
    path = os.environ.get("BENCH_PHOTOS_ZIP")
    if path is None:
        pytest.skip("BENCH_PHOTOS_ZIP does not name a zip of photographs")
    made = open_folder(sources.request(tmp_path / "cache", path=path, resolution=64))
    assert (len(made.train), len(made.val)) == (20_000, 5_000)
    assert made.facts["val"]["notes"]["grey"] > 0
    assert made.facts["train"]["bad"] == 0
    arrays.verify(made.train)
