"""Published test sets: found in the layouts that users have, counted, held against their digests, downloaded."""

import contextlib
import dataclasses
import functools
import hashlib
import http.server
import os
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from bench.core import images
from bench.core.progress import silent
from bench.data import frozen as arrays
from bench.data import manifest, named_sets
from bench.data.datasets import clic2020, coco, div2k, imagenet, imagenette, kodak, photos
from bench.data.readers import tgz
from bench.errors import IntegrityError, Missing, UsageError
from tests import sources


def names(images_):
    return [Path(line["name"]).name for line in manifest.lines(images_.folder / arrays.SOURCES)]


def ask(tmp_path, name, path, **changes):
    return sources.request(tmp_path / "cache", name, path, **changes)


def jpegs(listed):
    return {name: sources.encoded(i, "JPEG") for i, name in enumerate(listed)}


# ---------------------------------------------------------------------------------------------------- DIV2K and COCO

DIV2K = ["DIV2K_valid_HR/0801.png", "DIV2K_valid_HR/0899.png", "DIV2K_valid_HR/0900.png"]
OTHERS = ["DIV2K_train_HR/0800.png", "DIV2K_valid_LR/0801x4.png", "DIV2K_valid_HR/notes.png"]


@pytest.mark.parametrize("form", ["root", "folder", "renamed", "zip", "folder of the zip"])
def test_div2k_is_found_in_every_layout_and_nothing_else_is_taken(tmp_path, form):
    root = sources.folder(tmp_path / "data", sources.pictures([*DIV2K, *OTHERS]))
    path = {"root": root, "folder": root / "DIV2K_valid_HR", "renamed": tmp_path / "mine"}.get(form, root)
    if form == "renamed":
        (root / "DIV2K_valid_HR").rename(path)
    elif "zip" in form:
        file = sources.zipped(tmp_path / "DIV2K_valid_HR.zip", sources.pictures(DIV2K))
        path = file if form == "zip" else tmp_path
    made = div2k.open_div2k(ask(tmp_path, "div2k", path))
    assert sorted(names(made.val)) == ["0801.png", "0899.png", "0900.png"]
    assert made.train is None
    assert made.facts["counts"] == {"val": 3}
    assert made.facts["published_counts"] == {"val": 100}
    assert made.facts["complete"] is False
    assert "academic research" in made.facts["licence"]
    ignored = made.facts.get("not_among_the_images", {}).get("images of other names", 0)
    assert ignored == (0 if "zip" in form else 1)


def test_coco_is_its_validation_folder_and_not_its_training_images(tmp_path):
    root = sources.folder(
        tmp_path / "coco", jpegs([f"{part}2017/{i:012d}.jpg" for part in ("train", "val") for i in (1, 2)])
    )
    made = coco.open_coco(ask(tmp_path, "coco-val2017", root))
    assert len(made.val) == 2
    alone = coco.open_coco(ask(tmp_path / "alone", "coco-val2017", root / "val2017"))
    assert alone.val.digest == made.val.digest
    few = dataclasses.replace(coco.SET, count=1)
    with pytest.raises(UsageError, match=r"train2017 holds 2 images and COCO's .* has 1; .*testset:"):
        named_sets.build(ask(tmp_path, "coco-val2017", None), root / "train2017", few)


def test_a_folder_without_images_of_the_set_is_refused_with_what_to_do(tmp_path):
    path = sources.folder(tmp_path / "data", sources.pictures(["a.png"]))
    with pytest.raises(UsageError, match=r"named as in DIV2K's validation set; .*testset:"):
        div2k.open_div2k(ask(tmp_path, "div2k", path))
    with pytest.raises(Missing, match=r"prepare coco-val2017 --resolution 16 --protocol native\n.*about 1,000 MB"):
        coco.open_coco(ask(tmp_path, "coco-val2017", None, protocol="native"))


# -------------------------------------------------------------------------------------------------------------- CLIC


def test_clic_is_its_two_parts_from_archives_and_from_folders(tmp_path):
    mobile = sources.pictures([f"mobile/{i}.png" for i in range(2)])
    professional = sources.pictures([f"professional/{i}.png" for i in range(3)], first=9)
    zips = tmp_path / "zips"
    zips.mkdir()
    sources.zipped(zips / clic2020.ARCHIVES[0], {**mobile, "__MACOSX/mobile/._0.png": b"x"})
    with pytest.raises(Missing, match=r"lacks CLIC2020Professional_test\.zip"):
        clic2020.open_clic2020(ask(tmp_path, "clic2020", zips))
    sources.zipped(zips / clic2020.ARCHIVES[1], professional)
    made = clic2020.open_clic2020(ask(tmp_path, "clic2020", zips))
    assert len(made.val) == 5
    both = sources.folder(tmp_path / "both", {**mobile, **professional})
    assert clic2020.open_clic2020(ask(tmp_path / "b", "clic2020", both)).val.digest == made.val.digest
    flat = sources.folder(tmp_path / "flat", {n.replace("/", "_"): d for n, d in {**mobile, **professional}.items()})
    assert clic2020.open_clic2020(ask(tmp_path / "c", "clic2020", flat)).val.digest == made.val.digest


def test_clic_at_native_size_has_no_one_size(tmp_path):
    files = {
        "test/a.png": sources.encoded(1, height=20, width=30),
        "test/b.png": sources.encoded(2, height=31, width=18),
    }
    made = clic2020.open_clic2020(
        ask(tmp_path, "clic2020", sources.folder(tmp_path / "clic", files), protocol="native")
    )
    assert sorted(map(tuple, made.val.sizes)) == [(20, 30), (31, 18)]


# ------------------------------------------------------------------------------------------------------------- Kodak


def stand_in(tmp_path):
    """Three pictures under Kodak's names, and the set that pins them."""
    files = sources.pictures(["kodim01.png", "kodim02.png", "kodim24.png"])
    pins = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    folder = sources.folder(tmp_path / "kodak", files)
    downloads = tuple(
        dataclasses.replace(file, pin=f"sha256:{pins[file.name]}") for file in kodak.SET.downloads if file.name in pins
    )
    return folder, dataclasses.replace(kodak.SET, pins=pins, count=3, downloads=downloads)


def test_kodak_pins_what_the_embedded_photographs_were_made_from():
    assert kodak.SET.pins == {f"{photo.name}.png": photo.original_sha256 for photo in photos.photographs()}
    assert [file.pin for file in kodak.SET.downloads] == [f"sha256:{pin}" for pin in kodak.SET.pins.values()]
    assert len(kodak.SET.downloads) == kodak.SET.count == 24


def test_kodak_is_read_by_name_and_another_file_is_refused(tmp_path):
    folder, known = stand_in(tmp_path)
    (folder / "kodim25.png").write_bytes(sources.encoded(7))
    made = named_sets.build(ask(tmp_path, "kodak", None), folder, known)
    assert sorted(names(made.val)) == ["kodim01.png", "kodim02.png", "kodim24.png"]
    assert made.facts["complete"] is True
    (folder / "kodim02.png").write_bytes(sources.encoded(8))
    with pytest.raises(IntegrityError, match=r"kodim02\.png is not the published file \(1 of 3 are not\); .*testset:"):
        named_sets.build(ask(tmp_path, "kodak", None), folder, known)


@pytest.mark.slow
@pytest.mark.skipif("BENCH_KODAK" not in os.environ, reason="BENCH_KODAK names no folder of the 24 Kodak photographs")
def test_the_true_kodak_is_what_is_pinned(tmp_path):
    made = kodak.open_kodak(ask(tmp_path, "kodak", os.environ["BENCH_KODAK"], protocol="native"))
    assert made.facts["complete"] is True
    assert {tuple(size) for size in made.val.sizes} == {(512, 768), (768, 512)}


# --------------------------------------------------------------------------------------------------------- downloads


@contextlib.contextmanager
def server(root):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}/"
    running.shutdown()
    running.server_close()


def served(known, address):
    return dataclasses.replace(
        known, downloads=tuple(dataclasses.replace(file, url=f"{address}{file.name}") for file in known.downloads)
    )


def test_kodak_is_downloaded_file_by_file_and_checked(tmp_path):
    folder, known = stand_in(tmp_path)
    with server(folder) as address:
        brought = named_sets.download(ask(tmp_path, "kodak", None), silent, served(known, address))
        (folder / "kodim02.png").write_bytes(b"another file")
        with pytest.raises(IntegrityError, match=r"is not the pinned kodim02\.png"):
            named_sets.download(ask(tmp_path / "again", "kodak", None), silent, served(known, address))
    assert sorted(path.name for path in brought.glob("*.png")) == ["kodim01.png", "kodim02.png", "kodim24.png"]
    assert named_sets.build(ask(tmp_path, "kodak", None), brought, known).facts["complete"] is True


def test_an_archive_without_a_published_digest_has_that_of_its_first_download(tmp_path):
    root = tmp_path / "served"
    root.mkdir()
    sources.zipped(root / "DIV2K_valid_HR.zip", sources.pictures(DIV2K))
    known = dataclasses.replace(div2k.SET, size=1000)
    with server(root) as address:
        brought = named_sets.download(ask(tmp_path, "div2k", None), silent, served(known, address))
    recorded = (brought / "DIV2K_valid_HR.zip.sha256").read_text().strip()
    assert recorded == hashlib.sha256((root / "DIV2K_valid_HR.zip").read_bytes()).hexdigest()
    assert len(named_sets.build(ask(tmp_path, "div2k", None), brought, known).val) == 3
    (brought / "DIV2K_valid_HR.zip").write_bytes(b"changed")
    with pytest.raises(IntegrityError, match=r"DIV2K_valid_HR\.zip is not the pinned file"):
        named_sets.download(ask(tmp_path, "div2k", None), silent, known)


# -------------------------------------------------------------------------------------------------------- Imagenette


def nette(path):
    files = jpegs([f"imagenette2-160/train/{c}/{c}_{i}.JPEG" for c in imagenette.CLASSES for i in range(2)])
    files |= jpegs(
        [f"imagenette2-160/val/{c}/ILSVRC2012_val_{i:08d}.JPEG" for i, c in enumerate(imagenette.CLASSES[3:5])]
    )
    return sources.folder(path, files)


def packed(folder, file):
    with tarfile.open(file, "w:gz") as archive:
        archive.add(folder / "imagenette2-160", "imagenette2-160")
    return file


def test_imagenette_is_the_same_from_its_archive_its_folder_and_what_is_around_it(tmp_path):
    root = nette(tmp_path / "data")
    (root / "imagenette2-160" / "noisy_imagenette.csv").write_text("path,noisy_labels_0\n")
    archive = packed(root, tmp_path / "imagenette2-160.tgz")
    made = [
        imagenette.open_imagenette(ask(tmp_path / str(i), "imagenette", path))
        for i, path in enumerate((archive, root, root / "imagenette2-160"))
    ]
    for one in made:
        assert (len(one.train), len(one.val)) == (20, 2)
        assert one.train.digest == made[0].train.digest
        assert sorted(one.train.labels.tolist()) == sorted(list(range(10)) * 2)
        assert sorted(one.val.labels.tolist()) == [3, 4]
        assert one.facts["complete"] is False


def test_other_classes_are_not_imagenette(tmp_path):
    path = sources.folder(tmp_path / "in", jpegs(["train/n01440764/a.JPEG", "val/n01440764/b.JPEG"]))
    with pytest.raises(UsageError, match=r"ten classes; give imagenette2-160\.tgz"):
        imagenette.open_imagenette(ask(tmp_path, "imagenette", path))


@pytest.mark.parametrize(
    ("fault", "said"), [("torn", "cannot be unpacked"), ("link", "link"), ("name", "unsafe"), ("bomb", "unpack to")]
)
def test_an_unsafe_or_damaged_archive_is_refused_whole(tmp_path, fault, said):
    file = packed(nette(tmp_path / "data"), tmp_path / "a.tgz")
    if fault == "torn":
        file.write_bytes(file.read_bytes()[:-2000])
    else:
        with tarfile.open(file, "w:gz") as archive:
            info = tarfile.TarInfo("../out.png" if fault == "name" else "in.png")
            info.type = tarfile.SYMTYPE if fault == "link" else tarfile.REGTYPE
            info.size = (1 << 22) if fault == "bomb" else 0
            with (Path("/dev/zero")).open("rb") as zeros:
                archive.addfile(info, zeros)
    with pytest.raises(UsageError, match=rf"a\.tgz.*{said}"):
        tgz.unpacked(file, tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache" / "unpacked").iterdir() if path.is_dir() and "." not in path.name]
    assert not (tmp_path / "cache" / "out.png").exists()


# ---------------------------------------------------------------------------------------------------------- ImageNet


@pytest.mark.parametrize("form", ["tar", "flat", "folders", "val around"])
def test_the_validation_images_of_imagenet_alone_are_a_test_set(tmp_path, form):
    flat = {f"ILSVRC2012_val_{i:08d}.JPEG": sources.encoded(i, "JPEG") for i in range(1, 5)}
    sorted_in = {f"n0{i % 2}/{name}": data for i, (name, data) in enumerate(flat.items())}
    if form == "tar":
        path = sources.shard(tmp_path / "ILSVRC2012_img_val.tar", flat)
    else:
        held = flat if form == "flat" else sorted_in
        prefix = "val/" if form == "val around" else ""
        path = sources.folder(tmp_path / "images", {f"{prefix}{name}": data for name, data in held.items()})
    made = imagenet.open_imagenet(ask(tmp_path, "imagenet", path, protocol="adm"))
    assert made.train is None
    assert len(made.val) == 4
    assert made.facts["counts"] == {"train": 0, "val": 4}
    assert made.facts["complete"] is False
    if form in ("folders", "val around"):
        lines = manifest.lines(made.val.folder / arrays.SOURCES)
        assert made.val.labels.tolist() == [int("n01" in line["name"]) for line in lines]
        assert sorted(made.val.labels.tolist()) == [0, 0, 1, 1]
    else:
        assert made.val.labels is None


@pytest.mark.parametrize("protocol", [*images.PROTOCOLS, "native", "native:16"])
def test_every_crop_protocol_takes_the_validation_images_of_imagenet(tmp_path, protocol):
    data = sources.encoded(3, "JPEG", height=40, width=50)
    path = sources.folder(tmp_path / "images", {"ILSVRC2012_val_00000001.JPEG": data})
    made = imagenet.open_imagenet(ask(tmp_path, "imagenet", path, protocol=protocol))
    decoded = images.decode(data, "x").pixels
    if protocol.startswith("native"):
        assert made.val.pixels.shape[2:] == ((40, 50) if protocol == "native" else (13, 16))
    else:
        assert np.array_equal(made.val.pixels[0].transpose(1, 2, 0), images.PROTOCOLS[protocol](decoded, 16))
