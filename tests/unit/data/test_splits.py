"""Which folders and shards are taken for training and validation, in any case, and what is said of the others."""

import pytest

from bench.data.datasets.local import open_folder, open_webdataset
from bench.data.readers import files, splits
from bench.errors import UsageError
from tests import sources


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(
            (name, "train")
            for name in ("train", "Train", "TRAIN", "train2017", "train_2017", "train-images", "trainset")
        ),
        *(("Training", "training"), ("val2017", "val"), ("Val", "val"), ("VALID", "valid"), ("images_val", "val")),
        *(("Validation", "validation"), ("test set", "test"), ("testing", "testing")),
        *(
            (name, None)
            for name in ("trains", "valley", "train_val", "2017", "", "contest", "training-wheels", "images")
        ),
    ],
)
def test_usual_names_are_known_in_any_case(name, split):
    assert splits.usual(name) == split


@pytest.mark.parametrize(
    ("train", "val"), [("Train", "Val"), ("train2017", "val2017"), ("top/TRAIN", "top/Validation")]
)
def test_a_users_own_split_is_kept(tmp_path, train, val):
    path = sources.folder(tmp_path / "data", sources.pictures([f"{train}/{i}.png" for i in range(6)]))
    sources.folder(path, sources.pictures([f"{val}/{i}.png" for i in range(3)], first=6))
    found = open_folder(sources.request(tmp_path / "cache", path=path))
    assert (len(found.train), len(found.val)) == (6, 3)
    assert found.facts["duplicates"]["count"] == 0


def test_two_folders_for_one_split_are_refused(tmp_path):
    names = ["train2014/a.png", "train2017/b.png", "val2017/c.png"]
    path = sources.folder(tmp_path / "data", sources.pictures(names))
    with pytest.raises(UsageError, match=r"several folders for one split \(train2014, train2017\)"):
        splits.train_and_val(files.open_path(path))


def test_what_is_in_neither_split_is_counted(tmp_path):
    names = ["train/a.png", "train/b.png", "val/c.png", "test/d.png", "test/e.png", "f.png"]
    path = sources.folder(tmp_path / "data", sources.pictures(names))
    sources.folder(path, {"val/g.heic": b"", "notes.txt": b"", "train/h.jfif": sources.encoded(9, "JPEG")})
    facts = open_folder(sources.request(tmp_path / "cache", path=path)).facts
    assert facts["train"]["count"] == 3, "JFIF is JPEG"
    counts = {"test/": 2, "beside the folders": 1, ".heic": 1, ".txt": 1}
    assert facts["not_among_the_images"] == counts


def test_shards_named_after_splits_in_any_case(tmp_path):
    for name, seeds in {"Train-000": (0, 1, 2), "VALIDATION_000": (3, 4), "other-0": (5,)}.items():
        (tmp_path / "s").mkdir(exist_ok=True)
        sources.shard(tmp_path / "s" / f"{name}.tar", {f"{i}.png": sources.encoded(i) for i in seeds})
    found = open_webdataset(sources.request(tmp_path / "cache", path=tmp_path / "s"))
    assert (len(found.train), len(found.val)) == (3, 2)
    assert found.facts["not_among_the_images"] == {"shards of other names": 1}
