"""Samples of WebDataset shards: which member is the image, which label is whose, and shards that are damaged."""

import io
import tarfile

import pytest

from bench.data.readers import tar
from bench.errors import UsageError
from tests import sources

PNG = sources.encoded(0)


def opened(tmp_path, files):
    return tar.opened([sources.shard(tmp_path / "s.tar", files)])


def test_a_mask_is_no_image_and_the_label_is_the_samples(tmp_path):
    files = {}
    for key in ("a", "b", "deep/c"):
        files |= {f"{key}.jpg": PNG, f"{key}.mask.png": PNG, f"{key}.cls": b"3", f"{key}.json": b"{}"}
    found = opened(tmp_path, files)
    assert found.names == ("s/a.jpg", "s/b.jpg", "s/deep/c.jpg")
    assert set(found.labels.values()) == {3}
    assert found.left_out == {".mask.png": 3}


def test_the_order_of_the_members_does_not_matter(tmp_path):
    found = opened(tmp_path, {"a.mask.png": PNG, "a.cls": b"1", "a.jpg": PNG})
    assert found.labels == {"s/a.jpg": 1}


def test_keys_with_dots_and_spaces_keep_their_labels(tmp_path):
    files = {}
    for number, key in enumerate(("photo.v1", "photo.v2", "my cat", "été.2020.06", "d.i.r/x")):
        files |= {f"{key}.jpg": PNG, f"{key}.cls": str(number).encode()}
    found = opened(tmp_path, files)
    assert found.labels == {
        "s/photo.v1.jpg": 0,
        "s/photo.v2.jpg": 1,
        "s/my cat.jpg": 2,
        "s/été.2020.06.jpg": 3,
        "s/d.i.r/x.jpg": 4,
    }


def test_numbered_names_with_dots_are_samples_of_their_own(tmp_path):
    found = opened(tmp_path, {f"img.{i:04d}.png": PNG for i in range(3)})
    assert len(found.names) == 3


@pytest.mark.parametrize(
    "files",
    [
        {"a.image.png": PNG, "a.mask.png": PNG},
        {"a.image.png": PNG, "a.mask.png": PNG, "b.image.png": PNG, "b.mask.png": PNG},
        {"a.png": PNG, "a.jpg": PNG, "a.cls": b"1"},
        {"a.v1.png": PNG, "a.v2.png": PNG, "a.cls": b"1"},
    ],
)
def test_several_images_in_one_sample_are_refused(tmp_path, files):
    with pytest.raises(UsageError, match=r"'a' of .* holds several images"):
        opened(tmp_path, files)


def test_a_label_without_an_image_is_counted(tmp_path):
    found = opened(tmp_path, {"a.png": PNG, "a.cls": b"1", "b.npy": b"", "b.cls": b"2"})
    assert found.labels == {"s/a.png": 1}
    assert found.left_out == {".cls without an image": 1}


def test_a_shard_without_images_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no image"):
        opened(tmp_path, {"a.json": b"{}"})


@pytest.mark.parametrize("label", [b"-1", b"9" * 30, b"1" * 40, b"1.5", b"", b"0x10"])
def test_a_label_that_is_no_class_number_is_refused(tmp_path, label):
    with pytest.raises(UsageError, match=r"'a\.cls' of .* is no class number"):
        opened(tmp_path, {"a.png": PNG, "a.cls": label})


def whole(tmp_path):
    path = sources.shard(tmp_path / "s.tar", {f"{i}.png": PNG for i in range(3)})
    return path, path.read_bytes(), 512 + -(-len(PNG) // 512) * 512


@pytest.mark.parametrize("place", [0, 200, 511])
def test_a_shard_that_is_cut_at_or_inside_a_header_is_refused(tmp_path, place):
    path, data, record = whole(tmp_path)
    path.write_bytes(data[: 2 * record + place])
    with pytest.raises(UsageError, match="cut off"):
        tar.opened([path])


def test_a_shard_with_a_damaged_header_or_joined_to_another_is_refused(tmp_path):
    path, data, record = whole(tmp_path)
    path.write_bytes(data[: 2 * record] + bytes([255]) + data[2 * record + 1 :])
    with pytest.raises(UsageError, match=f"damaged at byte {2 * record}"):
        tar.opened([path])
    path.write_bytes(data + data)
    with pytest.raises(UsageError, match="several archives joined"):
        tar.opened([path])


def test_a_member_twice_a_sparse_one_and_a_negative_size_are_refused(tmp_path):
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as archive:
        for _ in range(2):
            info = tarfile.TarInfo("a.png")
            info.size = len(PNG)
            archive.addfile(info, io.BytesIO(PNG))
    with pytest.raises(UsageError, match="twice"):
        tar.opened([path])
    for size in (b"\xff" * 12, b"\x80" + b"\xff" * 11):
        header = bytearray(tarfile.TarInfo("a.png").tobuf())
        header[124:136] = size
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        path.write_bytes(bytes(header) + bytes(1024))
        with pytest.raises(UsageError, match=r"s\.tar"):
            tar.opened([path])


def test_a_pattern_of_a_billion_shards_is_refused_at_once():
    for pattern in ("s-{0..999999999}.tar", "s-{0..99999}-{0..99999}.tar"):
        with pytest.raises(UsageError, match="more than 100,000; write a narrower range"):
            tar.shards(pattern)
