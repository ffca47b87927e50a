"""Folders, zips, tars and batches as members: what is read, what is refused, which split and labels they have."""

import io
import json
import stat
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from bench.data.readers import files as members
from bench.data.readers import npz, splits, tar
from bench.errors import Missing, UsageError


def png(seed=0, side=8):
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def packed(path, files, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def unpacked(path, files):
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


FILES = {"b/x.PNG": png(1), "a.jpeg": png(2), "notes.txt": b"no", ".hidden.png": b"no", "__MACOSX/a.png": b"no"}


def test_a_folder_and_a_zip_of_the_same_files_give_the_same_members(tmp_path):
    files = {name: data for name, data in FILES.items() if not name.startswith("__")}
    folder = members.open_path(unpacked(tmp_path / "folder", files))
    archive = members.open_path(packed(tmp_path / "images.zip", FILES))
    assert folder.names == archive.names == ("a.jpeg", "b/x.PNG")
    assert all(folder.read(name) == archive.read(name) == FILES[name] for name in folder.names)


def test_the_stamp_changes_with_a_file(tmp_path):
    path = unpacked(tmp_path / "folder", FILES)
    before = members.open_path(path).stamp
    assert members.open_path(path).stamp == before
    (path / "a.jpeg").write_bytes(png(3))
    assert members.open_path(path).stamp != before


def test_links_in_a_folder_are_followed_but_not_in_circles(tmp_path):
    path = unpacked(tmp_path / "folder", {"a.png": png()})
    (path / "again").symlink_to(path)
    (path / "b.png").symlink_to(path / "a.png")
    assert members.open_path(path).names == ("a.png", "b.png")


@pytest.mark.parametrize("make", ["missing", "empty", "text"])
def test_a_source_without_images_is_refused(tmp_path, make):
    path = tmp_path / "folder"
    if make != "missing":
        unpacked(path, {"a.txt": b""} if make == "text" else {})
        path.mkdir(exist_ok=True)
    with pytest.raises(Missing if make == "missing" else UsageError, match="folder"):
        members.open_path(path)


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "b/../../a.png", "C:/a.png", "..\\a.png"])
def test_a_zip_with_an_unsafe_name_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"images\.zip holds a member with the unsafe name"):
        members.open_path(packed(tmp_path / "images.zip", {"ok.png": png(), name: png()}))


def test_a_zip_with_a_link_is_refused(tmp_path):
    info = zipfile.ZipInfo("a.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(UsageError, match="holds a link"):
        members.open_path(packed(tmp_path / "images.zip", {info: b"/etc/passwd"}))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = packed(tmp_path / "images.zip", {"a.png": bytes(3_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UsageError, match="zip bomb"):
        members.open_path(path)


def test_a_zip_that_lies_about_a_size_gives_a_bad_image(tmp_path):
    path = packed(tmp_path / "images.zip", {"a.png": bytes(100_000)}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    where = data.rindex(b"PK\x01\x02")
    data[where + 24 : where + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"a\.png"):
        members.open_path(path).read("a.png")


@pytest.mark.parametrize("data", [b"", b"not a zip", packed])
def test_a_damaged_zip_is_one_sentence(tmp_path, data):
    path = tmp_path / "images.zip"
    if callable(data):
        packed(path, {"a.png": png()})
        data = path.read_bytes()[:-20]
    path.write_bytes(data)
    with pytest.raises(UsageError, match="neither an image nor a readable zip"):
        members.open_path(path)


def test_a_damaged_member_is_a_bad_image(tmp_path):
    path = packed(tmp_path / "images.zip", {"a.png": png()})
    data = bytearray(path.read_bytes())
    data[60] ^= 255
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"a\.png of .* cannot be unpacked"):
        members.open_path(path).read("a.png")


def test_train_and_val_folders_are_splits_and_their_folders_classes(tmp_path):
    files = {f"top/train/{c}/{i}.png": png(i) for c in ("cat", "ant") for i in range(2)} | {"top/val/cat/9.png": png()}
    train, val = splits.train_and_val(members.open_path(packed(tmp_path / "i.zip", files)))
    assert train.classes == val.classes == ("ant", "cat")
    assert [train.labels[name] for name in train.names] == [0, 0, 1, 1]
    assert list(val.labels.values()) == [1]
    assert train.stamp != val.stamp


def test_flat_splits_have_no_labels_and_no_splits_are_none(tmp_path):
    flat = members.open_path(packed(tmp_path / "i.zip", {"train/a.png": png(), "test/b.png": png()}))
    train, val = splits.train_and_val(flat)
    assert (train.names, val.names, train.labels, val.labels) == (("train/a.png",), ("test/b.png",), None, None)
    assert splits.train_and_val(members.open_path(packed(tmp_path / "j.zip", {"a/b.png": png()}))) is None
    assert splits.train_and_val(members.open_path(packed(tmp_path / "k.zip", {"train/b.png": png()}))) is None


def test_a_class_that_only_validation_has_leaves_validation_without_labels(tmp_path):
    files = {"train/a/1.png": png(), "val/b/1.png": png()}
    train, val = splits.train_and_val(members.open_path(packed(tmp_path / "i.zip", files)))
    assert train.labels is not None
    assert val.labels is None


def test_the_labels_of_an_nvidia_zip_are_kept(tmp_path):
    labels = [["00000/img00000000.png", 3], ["00000/img00000001.png", 1]]
    files = {name: png() for name, _ in labels} | {"dataset.json": json.dumps({"labels": labels})}
    found = members.open_path(packed(tmp_path / "i.zip", files))
    assert [found.labels[name] for name in found.names] == [3, 1]
    files["dataset.json"] = json.dumps({"labels": None})
    assert members.open_path(packed(tmp_path / "i.zip", files)).labels is None
    for wrong in ("{", '{"labels": [["00000/img00000000.png", 3]]}'):
        files["dataset.json"] = wrong
        with pytest.raises(UsageError, match=r"dataset\.json"):
            members.open_path(packed(tmp_path / "i.zip", files))


# ----------------------------------------------------------------------------------------------------- WebDataset


def shard(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(data))
    return path


def test_shards_give_images_and_labels_by_key(tmp_path):
    shard(tmp_path / "s-001.tar", {"a.png": png(1), "a.cls": b"5", "a.json": b"{}", "c/b.png": png(9)})
    shard(tmp_path / "s-000.tar", {"a.png": png(0), "a.cls": b"4", "c/b.seg.png": png(9), "c/b.cls": b"7\n"})
    found = tar.opened(tar.shards(str(tmp_path / "s-{000..000}.tar")))
    assert found.names == ("s-000/a.png", "s-000/c/b.seg.png")
    assert found.read("s-000/a.png") == png(0)
    assert found.labels == {"s-000/a.png": 4, "s-000/c/b.seg.png": 7}
    assert [path.name for path in tar.shards(str(tmp_path))] == ["s-000.tar", "s-001.tar"]
    with pytest.raises(UsageError, match=r"s-001/c/b\.png.*\.cls"):
        tar.opened(tar.shards(str(tmp_path)))


def test_bad_shards_are_refused(tmp_path):
    link = tarfile.TarInfo("a.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    for name, files in {"link": {link: b""}, "dots": {"../a.png": png()}, "absolute": {"/a.png": png()}}.items():
        with pytest.raises(UsageError, match=name):
            tar.opened([shard(tmp_path / f"{name}.tar", files)])
    with pytest.raises(UsageError, match="uncompressed"):
        tar.opened([shard(tmp_path / "z.tar", {"a.png": png()}, "w:gz")])
    with pytest.raises(UsageError, match="no class number"):
        tar.opened([shard(tmp_path / "c.tar", {"a.png": png(), "a.cls": b"cat"})])
    with pytest.raises(Missing, match=r"s-1\.tar"):
        tar.shards(str(tmp_path / "s-{1..2}.tar"))
    for pattern in ("s-{0..999999999}.tar", "{0..9999}/{0..9999}.tar"):
        with pytest.raises(UsageError, match=r"shards, more than 100,000; write a narrower range"):
            tar.shards(str(tmp_path / pattern))


def test_a_shard_that_shrinks_gives_a_bad_image(tmp_path):
    path = shard(tmp_path / "s.tar", {"a.png": png()})
    found = tar.opened([path])
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(UsageError, match="truncated"):
        found.read("s/a.png")


# ------------------------------------------------------------------------------------------------------- npz batches


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_batch_gives_its_images_and_labels(tmp_path, save):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), np.uint8)
    save(tmp_path / "b.npz", pixels, np.arange(5))
    found = npz.opened(tmp_path / "b.npz")
    assert np.array_equal(np.stack([found.decode(found.read(n), n).pixels for n in found.names]), pixels)
    assert list(found.labels.values()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((2, 3, 8, 8), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((2, 0, 8, 3), np.uint8),
        np.array([object()]),
    ],
)
def test_another_array_is_refused(tmp_path, array):
    np.savez(tmp_path / "b.npz", array)
    with pytest.raises(UsageError, match=r"b\.npz"):
        npz.opened(tmp_path / "b.npz")


def test_a_damaged_batch_is_one_sentence(tmp_path):
    path = tmp_path / "b.npz"
    np.savez(path, np.zeros((2, 8, 8, 3), np.uint8), np.array([1.5, 2.0]))
    with pytest.raises(UsageError, match="arr_1"):
        npz.opened(path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(UsageError, match="no arr_0"):
        npz.opened(path)
    np.savez(path, np.zeros((2, 8, 8, 3), np.uint8))
    whole = path.read_bytes()
    for data in (whole[:200], whole.replace(b"\x93NUMPY", b"\x93NUMPX"), whole.replace(b"(2, 8", b"(9, 8"), b""):
        path.write_bytes(data)
        with pytest.raises(UsageError, match="not a readable"):
            npz.opened(path)


@pytest.mark.parametrize(
    ("files", "validation_only"),
    [
        (("val/a.png", "val/b.png"), True),
        (("kodak/test/a.png", "kodak/test/b.png"), True),
        (("val/a.png", "b.png"), False),
        (("a.png", "b.png"), False),
        (("train/a.png", "val/b.png"), False),
    ],
)
def test_a_val_folder_alone_is_validation_images_only(tmp_path, files, validation_only):
    found = splits.only_val(members.open_path(packed(tmp_path / "i.zip", dict.fromkeys(files, png()))))
    assert (found is not None) == validation_only
    assert found is None or len(found.names) == 2
