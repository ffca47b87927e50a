"""The named test sets: tiny stand-ins in the published layouts, downloads from a local server, pins and counts."""

import dataclasses
import hashlib
import http.server
import shutil
import subprocess
import threading
from functools import partial

import pytest

from bench.core import images
from bench.core.downloads import Limits
from bench.core.registry import load
from bench.data import manifest, mixed
from bench.data.datasets import DATASETS, clic2020, div2k, held_out, imagenette, kodak
from bench.data.frozen import SOURCES
from bench.errors import IntegrityError, Missing, UsageError
from bench.run import checks
from tests import sources

KODAK = [f"kodim{i:02d}.png" for i in range(1, 25)]


def opened(tmp_path, name, path=None, **changes):
    """The dataset as a run opens it."""
    return load(DATASETS[name].open)(sources.request(tmp_path / "cache", name, path, **changes))


def names(dataset):
    return sorted(line["name"] for line in manifest.lines(dataset.val.folder / SOURCES))


@pytest.fixture(scope="module")
def suite():
    """24 small pictures, two of them upright, in the place of Kodak's, and their digests."""
    sizes = {3: (24, 20), 8: (24, 20)}
    files = {name: sources.encoded(i, "PNG", *sizes.get(i, (20, 24))) for i, name in enumerate(KODAK)}
    return files, {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder that a local server serves, unencrypted, in the place of the publishers'."""
    root = tmp_path / "served"
    root.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(held_out, "LIMITS", Limits(plain=True))
    monkeypatch.setattr(kodak, "URL", address)
    monkeypatch.setattr(clic2020, "URL", address)
    for module, file in ((div2k, "DIV2K_valid_HR.zip"), (imagenette, imagenette.ARCHIVE)):
        monkeypatch.setattr(module, "URL", address + file)
    yield root
    server.shutdown()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def fetched(tmp_path, name, **changes):
    """The dataset from what its own download brings."""
    ask = sources.request(tmp_path / "cache", name, **changes)
    path = load(DATASETS[name].download)(ask, ask.progress)
    return load(DATASETS[name].open)(dataclasses.replace(ask, path=str(path)))


# ------------------------------------------------------------------------------------------------------------- Kodak


def test_kodak_is_read_whole_at_native_size_and_by_crops(tmp_path, suite):
    files, pins = suite
    path = sources.folder(tmp_path / "data", {f"images/{name}": data for name, data in files.items()})
    ask = sources.request(tmp_path / "cache", "kodak", path, protocol="native")
    made = kodak.build(ask, path, pins)
    assert (made.name, made.train, len(made.val)) == ("kodak", None, 24)
    assert isinstance(made.val, mixed.Mixed)
    assert manifest.summary(made.val)["sizes"] == "20x24 to 24x20"
    assert made.facts["complete"] is True
    assert "unrestricted use" in made.facts["licence"]
    cropped = kodak.build(dataclasses.replace(ask, protocol="ldm"), path, pins)
    assert cropped.val.pixels.shape == (24, 3, 16, 16)


def test_another_or_an_absent_file_is_not_kodak(tmp_path, suite):
    files, pins = suite
    path = sources.folder(tmp_path / "data", files)
    ask = sources.request(tmp_path / "cache", "kodak", path)
    (path / "kodim07.png").write_bytes(sources.encoded(99))
    with pytest.raises(IntegrityError, match=r"1 of the photographs .*kodim07\.png.*testset:"):
        kodak.build(ask, path, pins)
    (path / "kodim07.png").unlink()
    with pytest.raises(UsageError, match=r"lacks 1 of the 24 photographs \(kodim07\.png\).*testset:"):
        kodak.build(ask, path, pins)
    (path / "kodim07.png").write_bytes(files["kodim07.png"])
    sources.folder(path, {"copy/kodim07.png": files["kodim07.png"]})
    with pytest.raises(UsageError, match="holds one image twice"):
        kodak.build(ask, path, pins)


def test_kodak_is_pinned_file_by_file_in_its_download_too(tmp_path, suite, served, monkeypatch):
    files, pins = suite
    assert set(kodak.pins()) == set(KODAK)
    assert kodak.pins()["kodim23.png"] == "e3111a2fd4da24af15d6459ef9eacfe54106b38e27b4a21821b75c3f5d2d5baf"
    sources.folder(served, files)
    with pytest.raises(IntegrityError, match=r"is not the pinned kodim01\.png"):
        fetched(tmp_path, "kodak")
    monkeypatch.setattr(kodak, "pins", lambda: pins)
    assert len(fetched(tmp_path, "kodak").val) == 24


# ------------------------------------------------------------------------------- archives and folders of validation


DIV2K = {"DIV2K_valid_HR/0801.png": 0, "DIV2K_valid_HR/0900.png": 1}
DIV2K_OTHERS = {"DIV2K_train_HR/0001.png": 2, "DIV2K_train_HR/0800.png": 3, "DIV2K_valid_LR_x2/0801x2.png": 4}
COCO = {"val2017/000000000139.jpg": 0, "val2017/000000000285.jpg": 1, "val2017/000000000632.jpg": 2}
COCO_OTHERS = {"train2017/000000000009.jpg": 3, "test2017/000000000001.jpg": 4}
CLIC = {"professional_valid/a.png": 0, "professional_valid/b.png": 1, "mobile_valid/c.png": 2}
CLIC_OTHERS = {"professional_train/d.png": 3, "CLIC2020Mobile_test/e.png": 4}


def pictures(numbers, **options):
    return {
        name: sources.encoded(i, "PNG" if name.endswith(".png") else "JPEG", **options) for name, i in numbers.items()
    }


@pytest.mark.parametrize(
    ("name", "wanted", "others", "published"),
    [
        ("div2k", DIV2K, DIV2K_OTHERS, 100),
        ("coco-val2017", COCO, COCO_OTHERS, 5000),
        ("clic2020", CLIC, CLIC_OTHERS, 102),
        ("clic2020-mobile", {n: i for n, i in CLIC.items() if "mobile" in n}, CLIC_OTHERS, 61),
        ("clic2020-professional", {n: i for n, i in CLIC.items() if "prof" in n}, CLIC_OTHERS, 41),
    ],
)
def test_the_validation_images_are_found_among_others(tmp_path, name, wanted, others, published):
    path = sources.folder(tmp_path / "data", pictures(wanted | others))
    made = opened(tmp_path, name, path, protocol="native")
    assert names(made) == sorted(wanted)
    assert made.train is None
    assert made.facts["complete"] is False
    assert made.facts["published_counts"] == {"train": 0, "val": published}
    assert any(f"{name} is not the whole published dataset" in said for said in checks.remarks(made))
    assert made.facts["not_among_the_images"] == {"images of other names or folders": len(others)}
    assert len(made.facts["licence"]) > 20
    first = sorted({name.partition("/")[0] for name in wanted})
    if len(first) == 1:  # the folder itself is a form of its own
        again = opened(tmp_path, name, path / first[0], protocol="native")
        assert again.val.digest == made.val.digest
    shutil.rmtree(path)
    sources.folder(path, pictures(others))
    with pytest.raises(UsageError, match="holds no image of"):
        opened(tmp_path, name, path, protocol="native:16")


def test_the_archives_are_downloaded_and_their_digest_recorded(tmp_path, served):
    sources.zipped(served / "DIV2K_valid_HR.zip", pictures(DIV2K))
    sources.zipped(served / "professional_valid_2020.zip", {"valid/": b"", **pictures({"valid/a.png": 0})})
    sources.zipped(served / "mobile_valid_2020.zip", pictures({"valid/a.png": 2, "valid/c.png": 3}))
    assert names(fetched(tmp_path, "div2k")) == sorted(DIV2K)
    both = fetched(tmp_path, "clic2020")
    assert names(both) == ["mobile_valid_2020/valid/a.png", "mobile_valid_2020/valid/c.png",
                           "professional_valid_2020/valid/a.png"]  # fmt: skip
    assert names(opened(tmp_path, "clic2020-mobile", served / "mobile_valid_2020.zip")) == [
        "valid/a.png",
        "valid/c.png",
    ]
    notes = sorted(path.name for path in (tmp_path / "cache" / "downloads").rglob("*.sha256"))
    assert notes == [
        "DIV2K_valid_HR.zip.sha256",
        "mobile_valid_2020.zip.sha256",
        "professional_valid_2020.zip.sha256",
    ]
    (tmp_path / "cache" / "downloads" / "div2k" / "DIV2K_valid_HR.zip").write_bytes(b"another file")
    with pytest.raises(IntegrityError, match=r"DIV2K_valid_HR\.zip is not the pinned file"):
        fetched(tmp_path, "div2k")


def test_an_archive_without_a_digest_is_not_fetched_unencrypted(tmp_path, monkeypatch):
    monkeypatch.setattr(div2k, "URL", "http://127.0.0.1:9/DIV2K_valid_HR.zip")
    with pytest.raises(UsageError, match="is not encrypted"):
        fetched(tmp_path, "div2k")


def test_coco_comes_unencrypted_and_is_fetched_by_hand(tmp_path):
    with pytest.raises(UsageError, match=r"without encryption.*data prepare coco-val2017 --from val2017\.zip"):
        fetched(tmp_path, "coco-val2017")
    path = sources.zipped(tmp_path / "val2017.zip", pictures(COCO))
    assert names(opened(tmp_path, "coco-val2017", path)) == sorted(COCO)


# -------------------------------------------------------------------------------------------------------- Imagenette


NETTE = {
    f"imagenette2-160/{part}/{wnid}/{part}_{i}.JPEG": 10 * i + k
    for part, count in (("train", 2), ("val", 1))
    for k, wnid in enumerate(imagenette.CLASSES)
    for i in range(count)
}


@pytest.fixture
def nette(tmp_path):
    """The folder and the archive as published, its table of noisy labels included."""
    data = pictures({name: i + 100 * ("val" in name) for name, i in NETTE.items()})
    folder = sources.folder(tmp_path / "data", {**data, "imagenette2-160/noisy_imagenette.csv": b"path\n"})
    archive = tmp_path / "imagenette2-160.tgz"
    subprocess.run(["tar", "czf", str(archive), "-C", str(folder), "imagenette2-160"], check=True)
    return folder / "imagenette2-160", archive


def test_imagenette_is_the_same_from_its_archive_its_folder_and_its_download(tmp_path, nette, served):
    folder, archive = nette
    made = opened(tmp_path, "imagenette", folder, protocol="adm")
    assert (len(made.train), len(made.val)) == (20, 10)
    assert sorted(made.train.labels.tolist()) == sorted([*range(10)] * 2)
    assert made.train.manifest["classes"] == list(imagenette.CLASSES)
    assert made.facts["complete"] is False
    packed = opened(tmp_path, "imagenette", archive, protocol="adm")
    assert (packed.train.digest, packed.val.digest) == (made.train.digest, made.val.digest)
    shutil.copy(archive, served / imagenette.ARCHIVE)
    assert fetched(tmp_path, "imagenette", protocol="adm").val.digest == made.val.digest
    shutil.rmtree(folder / "train")
    alone = opened(tmp_path, "imagenette", folder, protocol="native")
    assert (alone.train, len(alone.val)) == (None, 10)
    shutil.rmtree(folder / "val" / imagenette.CLASSES[3])
    with pytest.raises(UsageError, match="ten classes, whose order is the labels"):
        opened(tmp_path, "imagenette", folder, protocol="native")


def test_imagenette_of_another_size_is_refused(tmp_path, nette):
    folder, _ = nette
    with pytest.raises(UsageError, match="imagenette2-320, Imagenette in another size"):
        opened(tmp_path, "imagenette", folder.rename(tmp_path / "imagenette2-320"))


@pytest.mark.parametrize("harm", ["cut", "checksum", "link", "name"])
def test_a_damaged_or_unsafe_archive_is_refused(tmp_path, nette, harm):
    _, archive = nette
    if harm == "cut":
        archive.write_bytes(archive.read_bytes()[:-200])
    elif harm == "checksum":
        data = archive.read_bytes()
        archive.write_bytes(data[:-8] + bytes([data[-8] ^ 1]) + data[-7:])
    elif harm == "link":
        (tmp_path / "x.png").symlink_to("/etc/hostname")
        subprocess.run(["tar", "czf", str(archive), "-C", str(tmp_path), "x.png"], check=True)
    else:
        (tmp_path / "x.png").write_bytes(sources.encoded(0))
        command = ["tar", "czPf", str(archive), "-C", str(tmp_path), "--transform=s,^,../,", "x.png"]
        subprocess.run(command, check=True)
    said = {"link": "no plain file", "name": "unsafe name"}.get(harm, "is not a readable archive")
    with pytest.raises(UsageError, match=said):
        opened(tmp_path, "imagenette", archive)
    assert not list((tmp_path / "cache" / "unpacked").glob("*.zip"))


# ---------------------------------------------------------------------------------------------------------- ImageNet


def test_imagenets_validation_images_alone_are_a_test_set_under_every_protocol(tmp_path):
    data = pictures({f"val/ILSVRC2012_val_{i:08d}.JPEG": i for i in range(1, 5)}, height=40, width=52)
    path = sources.folder(tmp_path / "data", data)
    flat = {name.rpartition("/")[2]: image for name, image in data.items()}
    tape = sources.shard(tmp_path / "ILSVRC2012_img_val.tar", flat)
    found = set()
    for protocol in (*images.PROTOCOLS, "native", "native:24"):
        made = opened(tmp_path, "imagenet", path, protocol=protocol)
        assert (made.train, len(made.val)) == (None, 4)
        found.add(made.val.digest)
        for other in (path / "val", tape):
            assert opened(tmp_path, "imagenet", other, protocol=protocol).val.digest == made.val.digest
    assert len(found) == len(images.PROTOCOLS) + 2
    assert made.facts["complete"] is False
    assert made.facts["counts"] == {"train": 0, "val": 4}
    mixture = sources.folder(tmp_path / "mixture", {**flat, "holiday.png": sources.encoded(9)})
    with pytest.raises(UsageError, match="ILSVRC2012_val_"):
        opened(tmp_path, "imagenet", mixture)


# ------------------------------------------------------------------------------------------------------- all of them

NAMED = ("kodak", "clic2020", "clic2020-mobile", "div2k", "coco-val2017", "imagenette")


@pytest.mark.parametrize("name", NAMED)
def test_an_unprepared_set_says_what_to_do_and_its_licence_in_one_screen(tmp_path, name):
    with pytest.raises(Missing) as caught:
        opened(tmp_path, name, protocol="native")
    text = str(caught.value)
    assert f"python -m bench data prepare {name} --resolution 16 --protocol native --from PATH" in text
    assert "Licence: " in text
    assert "http" in text
    assert len(text.splitlines()) < 10


def test_a_prepared_set_is_found_again_without_its_source(tmp_path):
    path = sources.folder(tmp_path / "data", pictures(DIV2K))
    first = opened(tmp_path, "div2k", path, protocol="native")
    shutil.rmtree(path)
    again = opened(tmp_path, "div2k", protocol="native")
    assert again.val.digest == first.val.digest
