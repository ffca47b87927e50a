"""Every reader on a small source in the true format, and what each says when something is wrong."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from bench.core import images
from bench.data import export, manifest
from bench.data import frozen as arrays
from bench.data.datasets import cifar10, ffhq, imagenet, lsun
from bench.data.datasets.huggingface import open_hf
from bench.data.datasets.local import open_folder, open_npz, open_webdataset
from bench.data.readers import lmdb
from bench.errors import IntegrityError, Missing, UsageError
from tests import sources


def names(frozen):
    return [line["name"] for line in manifest.lines(frozen.folder / arrays.SOURCES)]


# -------------------------------------------------------------------------------------------------------------- LSUN


@pytest.mark.parametrize("form", ["folders", "zips", "train folder", "images"])
def test_church_is_read_in_every_published_form(tmp_path, form):
    data = tmp_path / "data"
    if form == "zips":
        sources.lsun_zips(data)
        shutil.rmtree(data / "unpacked")
    elif form == "images":
        files = {f"train/{i}.webp": sources.encoded(i, "WEBP", 20, 25, quality=90) for i in range(12)}
        files |= {f"val/{i}.webp": sources.encoded(i, "WEBP", 20, 25, quality=90) for i in range(12, 16)}
        sources.folder(data, files)
    else:
        sources.lsun(data)
    path = data / "church_outdoor_train_lmdb" if form == "train folder" else data
    made = lsun.open_lsun(sources.request(tmp_path / "cache", "church", path))
    assert (len(made.train), len(made.val)) == (12, 4)
    expected = {images.decode(sources.encoded(i, "WEBP", 20, 25, quality=90), "x").pixels.tobytes() for i in range(12)}
    cropped = {images.ldm(np.frombuffer(e, np.uint8).reshape(20, 25, 3), 16).tobytes() for e in expected}
    assert {np.ascontiguousarray(p.transpose(1, 2, 0)).tobytes() for p in made.train.pixels} == cropped
    assert made.facts["val"]["encodings"] == {"webp": 4}
    assert made.facts["complete"] is False
    assert made.facts["published_counts"] == {"train": 126_227, "val": 300}


def test_a_prepared_church_is_found_again_without_its_source(tmp_path):
    data = sources.lsun(tmp_path / "data")
    first = lsun.open_lsun(sources.request(tmp_path / "cache", "church", data))
    other = lsun.open_lsun(sources.request(tmp_path / "cache", "church", resolution=8))
    assert other.resolution == 8
    shutil.rmtree(data)
    assert lsun.open_lsun(sources.request(tmp_path / "cache", "church")).val.digest == first.val.digest
    with pytest.raises(Missing, match="not prepared at 12 px"):
        lsun.open_lsun(sources.request(tmp_path / "cache", "church", resolution=12))


def test_an_unprepared_church_says_what_to_do_in_one_screen(tmp_path):
    with pytest.raises(Missing) as caught:
        lsun.open_lsun(sources.request(tmp_path, "church", resolution=256))
    text = str(caught.value)
    assert "python -m bench data prepare church --resolution 256 --protocol ldm --from PATH" in text
    assert "http://dl.yf.io/lsun/scenes/" in text
    assert len(text.splitlines()) < 20


def test_one_database_without_its_partner_is_split_by_content_and_says_so(tmp_path):
    path = sources.lmdb_of(tmp_path / "my_lmdb", range(30))
    made = lsun.open_lsun(sources.request(tmp_path / "cache", "church", path))
    assert len(made.train) + len(made.val) == 30
    assert "no val database" in made.facts["split"]


def test_the_split_of_rqvae_validates_on_training_and_the_duplicates_show_it(tmp_path):
    made = lsun.open_lsun(sources.request(tmp_path / "cache", "church-rqvae", sources.lsun(tmp_path / "data")))
    assert made.val.digest == made.train.digest
    assert made.facts["duplicates"]["count"] == 12


def test_the_split_of_ldm_follows_its_lists(tmp_path):
    data = sources.lsun(tmp_path / "data")
    with pytest.raises(Missing, match=r"church_outdoor_train\.txt"):
        lsun.open_lsun(sources.request(tmp_path / "cache", "church-ldm", data))
    keys = [sources.lsun_key(i) for i in range(12)]
    listed = []
    for part, chosen in (("train", keys[:9]), ("val", keys[9:])):
        file = data / f"church_outdoor_{part}.txt"
        file.write_text("".join(f"{key}.webp\n" for key in chosen))
        listed.append(lsun.Listed(file.name, len(chosen), hashlib.sha256(file.read_bytes()).hexdigest()))
    ask = sources.request(tmp_path / "cache", "church-ldm", data)
    with pytest.raises(IntegrityError, match="not the published list"):
        lsun.open_lsun(ask)
    split = dataclasses.replace(lsun.SPLITS["church-ldm"], lists=tuple(listed), counts=(9, 3))
    made = lsun.build(ask, data, split)
    assert sorted(names(made.val)) == sorted(keys[9:])
    assert made.facts["complete"] is True


@pytest.mark.parametrize("damage", ["truncated", "no database", "empty"])
def test_a_damaged_database_is_one_sentence(tmp_path, damage):
    data = sources.lsun(tmp_path / "data", train=0 if damage == "empty" else 40)
    file = data / "church_outdoor_train_lmdb" / lmdb.DATA
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif damage == "no database":
        file.write_bytes(b"nothing" * 9000)
    with pytest.raises(UsageError, match="church_outdoor_train_lmdb"):
        lsun.open_lsun(sources.request(tmp_path / "cache", "church", data))


def test_a_torn_zip_of_a_database_is_one_sentence(tmp_path):
    data = sources.lsun_zips(tmp_path / "data")
    shutil.rmtree(data / "unpacked")
    file = data / "church_outdoor_train_lmdb.zip"
    whole = bytearray(file.read_bytes())
    whole[whole.index(b"data.mdb") + 5000] ^= 255
    file.write_bytes(whole)
    with pytest.raises(UsageError, match=r"train_lmdb\.zip"):
        lsun.open_lsun(sources.request(tmp_path / "cache", "church", data))
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(UsageError, match=r"train_lmdb\.zip"):
        lsun.open_lsun(sources.request(tmp_path / "cache", "church", data))


def test_a_folder_without_anything_known_is_refused(tmp_path):
    path = sources.folder(tmp_path / "data", sources.pictures(["a.png", "b.png"]))
    with pytest.raises(UsageError, match="neither church_outdoor_train_lmdb nor folders"):
        lsun.open_lsun(sources.request(tmp_path / "cache", "church", path))


# -------------------------------------------------------------------------------------------------------------- FFHQ


def some_faces(path, numbers):
    return sources.folder(path, {f"{n // 1000 * 1000:05d}/{n:05d}.png": sources.encoded(n) for n in numbers})


def test_ffhq_without_lists_is_split_by_number_and_says_so(tmp_path):
    path = some_faces(tmp_path / "ffhq", [0, 1, 59_999, 60_000, 69_999])
    made = ffhq.open_ffhq(sources.request(tmp_path / "cache", "ffhq", path, protocol="stylegan"))
    assert sorted(names(made.val)) == ["60000/60000.png", "69000/69999.png"]
    assert "were not there" in made.facts["split"]
    assert made.facts["complete"] is False


def test_ffhq_with_lists_follows_them_and_checks_their_digests(tmp_path):
    path = some_faces(tmp_path / "ffhq", range(6))
    (path / "ffhqtrain.txt").write_text("00000.png\n00004.png\n00005.png\n")
    (path / "ffhqvalidation.txt").write_text("00002.png\n00003.png\n")
    ask = sources.request(tmp_path / "cache", "ffhq", path)
    with pytest.raises(IntegrityError, match=r"ffhqtrain\.txt is not the published list"):
        ffhq.open_ffhq(ask)
    digests = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in path.glob("*.txt")}
    lists = ffhq.Lists("ffhqtrain.txt", digests["ffhqtrain.txt"], "ffhqvalidation.txt", digests["ffhqvalidation.txt"])
    made = ffhq.build(ask, path, lists)
    assert sorted(names(made.train)) == ["00000/00000.png", "00000/00004.png", "00000/00005.png"]
    assert sorted(names(made.val)) == ["00000/00002.png", "00000/00003.png"]
    (path / "00000" / "00003.png").unlink()
    with pytest.raises(UsageError, match="lacks 1 images of the lists, the first is 00003"):
        ffhq.build(ask, path, lists)


def test_ffhq_refuses_what_is_not_numbered_and_says_where_to_get_it(tmp_path):
    path = sources.folder(tmp_path / "a", sources.pictures(["face.png"]))
    with pytest.raises(UsageError, match="does not end in an image number"):
        ffhq.open_ffhq(sources.request(tmp_path / "cache", "ffhq", path))
    path = sources.folder(tmp_path / "b", sources.pictures(["x/00001.png", "y/00001.png"]))
    with pytest.raises(UsageError, match="2 images of 1 numbers"):
        ffhq.open_ffhq(sources.request(tmp_path / "cache", "ffhq", path))
    with pytest.raises(Missing, match=r"github\.com/NVlabs/ffhq-dataset"):
        ffhq.open_ffhq(sources.request(tmp_path / "cache", "ffhq"))


# --------------------------------------------------------------------------------------------------- ImageNet, CIFAR


def test_imagenet_has_its_classes_in_the_order_of_their_names(tmp_path):
    files = {f"train/n{c}/x{c}{i}.JPEG": sources.encoded(c * 9 + i, "JPEG") for c in (7, 2) for i in range(2)}
    files |= {"val/n7/v.JPEG": sources.encoded(70, "JPEG")}
    made = imagenet.open_imagenet(
        sources.request(tmp_path / "cache", "imagenet", sources.folder(tmp_path / "i", files), protocol="adm")
    )
    assert [made.train.labels[i] for i, n in enumerate(names(made.train))] == [
        int("n7" in name) for name in names(made.train)
    ]
    assert made.val.labels.tolist() == [1]
    with pytest.raises(Missing, match=r"image-net\.org"):
        imagenet.open_imagenet(sources.request(tmp_path / "other", "imagenet"))


@pytest.mark.parametrize("form", ["folder", "archive"])
def test_cifar10_is_read_from_its_binary_version(tmp_path, form):
    folder = sources.cifar(tmp_path / "cifar-10-batches-bin")
    path = folder
    if form == "archive":
        path = tmp_path / "cifar-10-binary.tar.gz"
        subprocess.run(["tar", "czf", str(path), "-C", str(tmp_path), folder.name], check=True)
    made = cifar10.open_cifar10(sources.request(tmp_path / "cache", "cifar10", path, resolution=32))
    assert (len(made.train), len(made.val)) == (20, 4)
    raw = np.frombuffer((folder / "test_batch.bin").read_bytes(), np.uint8).reshape(4, 3073)
    for i, name in enumerate(names(made.val)):
        record = raw[int(name.rpartition("/")[2])]
        assert np.array_equal(made.val.pixels[i].reshape(-1), record[1:])
        assert made.val.labels[i] == record[0]


def test_cifar10_is_not_enlarged_and_torn_batches_are_refused(tmp_path):
    folder = sources.cifar(tmp_path / "c")
    with pytest.raises(UsageError, match="32 px, not 64"):
        cifar10.open_cifar10(sources.request(tmp_path / "cache", "cifar10", folder, resolution=64))
    (folder / "data_batch_2.bin").write_bytes(b"\0" * 3000)
    with pytest.raises(UsageError, match=r"data_batch_2\.bin.*not a whole number"):
        cifar10.open_cifar10(sources.request(tmp_path / "cache", "cifar10", folder, resolution=32))
    (tmp_path / "x.tar.gz").write_bytes(b"no archive")
    with pytest.raises(UsageError, match=r"x\.tar\.gz is not a readable archive"):
        cifar10.open_cifar10(sources.request(tmp_path / "cache", "cifar10", tmp_path / "x.tar.gz", resolution=32))


def test_an_archive_of_cifar10_with_another_checksum_is_refused(tmp_path):
    """gzip has it behind the last byte of the tar file, where tarfile does not look."""
    folder = sources.cifar(tmp_path / "cifar-10-batches-bin")
    path = tmp_path / "c.tar.gz"
    subprocess.run(["tar", "czf", str(path), "-C", str(tmp_path), folder.name], check=True)
    data = path.read_bytes()
    path.write_bytes(data[:-8] + bytes([data[-8] ^ 1]) + data[-7:])
    with pytest.raises(UsageError, match=r"c\.tar\.gz is not a readable archive \(CRC check failed"):
        cifar10.open_cifar10(sources.request(tmp_path / "cache", "cifar10", path, resolution=32))


# ------------------------------------------------------------------------------------------- other tools' containers


def test_an_nvidia_zip_goes_in_and_out_with_its_labels(tmp_path):
    made = open_folder(sources.request(tmp_path / "cache", "zip", sources.nvidia_zip(tmp_path / "a.zip", 60)))
    export.nvidia(made.train, tmp_path / "b.zip")
    again = open_folder(sources.request(tmp_path / "cache", "zip", tmp_path / "b.zip"))
    before = {p.tobytes(): int(k) for p, k in zip(made.train.pixels, made.train.labels, strict=True)}
    after = {}
    for split in (again.train, again.val):
        after |= {p.tobytes(): int(k) for p, k in zip(split.pixels, split.labels, strict=True)}
    assert before == after
    first = (tmp_path / "b.zip").read_bytes()
    export.nvidia(made.train, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == first


@pytest.mark.parametrize("labelled", [True, False])
def test_an_adm_batch_goes_out_and_in(tmp_path, labelled):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 3, 16, 16), np.uint8)
    labels = np.arange(30) if labelled else None
    export.adm(arrays.in_memory(pixels, labels), tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as held:
        assert np.array_equal(held["arr_0"], pixels.transpose(0, 2, 3, 1))
        assert ("arr_1" in held) == labelled
    made = open_npz(sources.request(tmp_path / "cache", "npz", tmp_path / "b.npz"))
    assert len(made.train) + len(made.val) == 30
    rows = {p.tobytes(): i for i, p in enumerate(pixels)}
    assert {rows[p.tobytes()] for p in (*made.train.pixels, *made.val.pixels)} == set(range(30))
    if labelled:
        assert all(rows[p.tobytes()] == k for p, k in zip(made.train.pixels, made.train.labels, strict=True))


def test_a_folder_of_two_batches_is_two_splits(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "train.npz", pixels[:6])
    with pytest.raises(Missing, match=r"lacks val\.npz"):
        open_npz(sources.request(tmp_path / "cache", "npz", tmp_path))
    np.savez(tmp_path / "val.npz", pixels[6:])
    made = open_npz(sources.request(tmp_path / "cache", "npz", tmp_path))
    assert (len(made.train), len(made.val)) == (6, 3)


def test_webdataset_shards_are_read_where_they_lie(tmp_path):
    for part, first in (("train", 0), ("val", 20)):
        files = sources.pictures((f"{i:04d}.png" for i in range(5)), first)
        labels = {f"{i:04d}.cls": str(i).encode() for i in range(5)}
        sources.shard(tmp_path / f"{part}-000.tar", dict(sorted((files | labels).items())))
    made = open_webdataset(sources.request(tmp_path / "cache", "wds", tmp_path))
    assert (len(made.train), len(made.val)) == (5, 5)
    assert [int(name[-8:-4]) for name in names(made.val)] == made.val.labels.tolist()


def test_a_hugging_face_dataset_is_read_from_a_local_folder(tmp_path):
    path = sources.hugging_face(tmp_path / "hf")
    made = open_hf(sources.request(tmp_path / "cache", "hf", path, offline=True))
    assert (len(made.train), len(made.val)) == (6, 3)
    assert [int(name) % 2 for name in names(made.train)] == made.train.labels.tolist()
    assert made.train.manifest["classes"] == ["ant", "bee"]
    assert made.facts["train"]["encodings"] == {"png": 6}


def test_a_hugging_face_dataset_without_images_says_its_columns(tmp_path):
    import datasets

    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(str(tmp_path / "hf"))
    with pytest.raises(UsageError, match="no column of images, but text"):
        open_hf(sources.request(tmp_path / "cache", "hf", tmp_path / "hf"))


OFFLINE = textwrap.dedent(
    """
    import socket, sys

    def refuse(*args, **kwargs):
        print("a connection was tried", file=sys.stderr)
        raise SystemExit(9)

    socket.socket.connect = refuse
    socket.getaddrinfo = refuse
    from bench.errors import Missing
    from bench.data.dataset import DatasetRequest
    from bench.data.datasets import DATASETS
    from bench.core.registry import load
    from pathlib import Path

    for name in ("hf", "church", "cifar10", "ffhq", "imagenet"):
        path = "nobody/nothing" if name == "hf" else None
        ask = DatasetRequest(name, path, 32, "ldm", Path(sys.argv[1]), offline=True)
        try:
            load(DATASETS[name].open)(ask)
        except Missing as missing:
            print(name, len(str(missing)) > 40)
    """
)


def test_offline_opens_no_connection(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [f"{name} True" for name in ("hf", "church", "cifar10", "ffhq", "imagenet")]


def test_the_contact_sheet_holds_the_images(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), np.uint8)
    sheet = images.decode(export.sheet(arrays.in_memory(pixels), 5, 3), "sheet").pixels
    assert sheet.shape == (18, 28, 3)
    assert np.array_equal(sheet[10:18, 10:18], pixels[4].transpose(1, 2, 0))


def test_facts_can_be_written_as_json(tmp_path):
    made = lsun.open_lsun(sources.request(tmp_path / "cache", "church", sources.lsun(tmp_path / "data")))
    assert json.loads(json.dumps(made.facts))["val"]["count"] == 4
