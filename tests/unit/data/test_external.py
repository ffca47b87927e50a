"""Images made elsewhere: every layout is read, sizes and names are checked, nothing is resized."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data import frozen
from bench.data.external import Ready, ReadyFiles, parse
from bench.data.freezing import Block, Writer
from bench.errors import Missing, UsageError
from bench.run.cells import cells
from bench.run.config import RunConfig
from bench.run.plugins import with_plugins
from methods import METHODS


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def pixels(count=5, side=8):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def write_folder(folder, names, content):
    for name, image in zip(names, content, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(image))
    return folder


def write_nvidia_zip(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        for i, image in enumerate(content):
            archive.writestr(f"00000/img{i:08d}.png", png(image))
        archive.writestr("dataset.json", json.dumps({"labels": None}))
    return path


def read(kind, path, tmp_path, reference=None):
    return ReadyFiles(Ready(kind, "gan", str(path))).read(tmp_path / "cache", reference)


@pytest.mark.parametrize("layout", ["folder", "zip", "npz", "npz-compressed"])
def test_samples_of_every_layout_are_the_same_images(layout, tmp_path):
    content = pixels()
    path = tmp_path / ("samples" if layout == "folder" else f"samples.{layout[:3]}")
    if layout == "folder":
        write_folder(path, [f"seed{i:04d}.png" for i in range(5)], content)
    elif layout == "zip":
        write_nvidia_zip(path, content)
    else:
        (np.savez_compressed if layout.endswith("compressed") else np.savez)(path, content, np.arange(5))
    found = read("samples", path, tmp_path)
    assert np.array_equal(found.pixels, content.transpose(0, 3, 1, 2))
    assert found.digest == frozen.in_memory(content.transpose(0, 3, 1, 2)).digest
    assert found.manifest["encodings"] == {"raw" if layout.startswith("npz") else "png": 5}


def test_the_digest_follows_the_content_not_the_place(tmp_path):
    names = ["a.png", "b.png"]
    one = write_folder(tmp_path / "one", names, pixels(2))
    other = write_folder(tmp_path / "other", names, pixels(2))
    digest = ReadyFiles(Ready("samples", "x", str(one))).digest
    assert ReadyFiles(Ready("samples", "x", str(other))).digest == digest
    (other / "b.png").write_bytes(png(pixels(3)[2]))
    assert ReadyFiles(Ready("samples", "x", str(other))).digest != digest


def test_images_of_different_sizes_are_refused(tmp_path):
    folder = write_folder(tmp_path / "mixed", ["a.png"], pixels(1))
    write_folder(folder, ["b.png"], pixels(1, side=9))
    with pytest.raises(UsageError, match=r"b\.png .* is 9x9 pixels where others are 8x8; nothing is resized"):
        read("samples", folder, tmp_path)


def test_a_damaged_sample_is_named(tmp_path):
    folder = write_folder(tmp_path / "bad", ["a.png", "b.png"], pixels(2))
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:60])
    with pytest.raises(UsageError, match=r"b\.png"):
        read("samples", folder, tmp_path)


@pytest.fixture
def reference(tmp_path):
    """Five originals in an order that is not that of their names."""
    writer = Writer(tmp_path / "originals", 8, 8)
    names = ["val/c.JPEG", "val/a.JPEG", "val/e.JPEG", "val/b.JPEG", "val/d.JPEG"]
    sources = [{"name": n} for n in names]
    sources.insert(2, {"name": "val/broken.JPEG", "bad": "it is truncated"})
    writer.append(Block(pixels().transpose(0, 3, 1, 2), sources=sources))
    return writer.finish()


@pytest.mark.parametrize("where", ["val/{}.png", "{}.png", "other/place/{}.png"])
def test_reconstructions_are_paired_by_file_name(where, reference, tmp_path):
    letters = "abcde"
    content = pixels(5)[::-1]
    folder = write_folder(tmp_path / "recons", [where.format(c) for c in letters], content)
    found = read("recons", folder, tmp_path, reference)
    assert np.array_equal(found.pixels, content[[letters.index(c) for c in "caebd"]].transpose(0, 3, 1, 2))
    head = read("recons", folder, tmp_path, frozen.first(reference, 2))
    assert np.array_equal(head.pixels, found.pixels[:2])
    assert found.manifest["paired_by"] == ("path" if where.startswith("val") else "file name")


def test_bad_reconstructions_are_refused(reference, tmp_path):
    folder = write_folder(tmp_path / "recons", ["a.png", "b.png", "c.png", "e.png"], pixels(4))
    with pytest.raises(UsageError, match=r"1 of 5 images of the reference have no file.*val/d\.JPEG"):
        read("recons", folder, tmp_path, reference)
    write_folder(folder, ["x/d.png", "y/d.png"], pixels(2))
    with pytest.raises(UsageError, match=r"file names stand for several images.*whole path of its original"):
        read("recons", folder, tmp_path, reference)
    twins = write_folder(tmp_path / "twins", ["a.png", "b.png", "c.png", "d.png", "e.png", "a.jpg"], pixels(6))
    with pytest.raises(UsageError, match=r"a\.jpg and a\.png, which have one name"):
        read("recons", twins, tmp_path, reference)
    larger = write_folder(tmp_path / "larger", [f"{c}.png" for c in "abcde"], pixels(5, side=16))
    with pytest.raises(UsageError, match="16x16 pixels, the originals have 8x8"):
        read("recons", larger, tmp_path, reference)
    np.savez(tmp_path / "batch.npz", pixels())
    with pytest.raises(UsageError, match="no file names to pair"):
        read("recons", tmp_path / "batch.npz", tmp_path, reference)
    with pytest.raises(UsageError, match="have no file names"):
        read("recons", folder, tmp_path, frozen.in_memory(reference.pixels))


def test_a_bad_file_is_named_whole_and_without_a_flag_that_cannot_help(reference, tmp_path):
    folder = write_folder(tmp_path / "recons", [f"{c}.png" for c in "abcde"], pixels(5))
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:60])
    with pytest.raises(UsageError) as caught:
        read("recons", folder, tmp_path, reference)
    assert str(folder / "b.png") in str(caught.value)
    assert "--on-bad" not in str(caught.value)


def test_what_was_converted_and_left_out_stands_in_the_manifest(tmp_path):
    folder = write_folder(tmp_path / "samples", ["a.png"], pixels(1))
    Image.fromarray(pixels(1)[0]).convert("RGBA").save(folder / "b.png")
    (folder / "c.heic").write_bytes(b"")
    found = read("samples", folder, tmp_path)
    assert found.manifest["notes"] == {"alpha": 1}
    assert found.manifest["not_among_the_images"] == {".heic": 1}


def test_a_batch_without_class_numbers_gives_samples(tmp_path):
    np.savez(tmp_path / "b.npz", pixels(3), np.array([0.5, 1, 2]))
    assert len(read("samples", tmp_path / "b.npz", tmp_path)) == 3


def test_the_method_string_is_checked_before_any_work(tmp_path):
    with pytest.raises(UsageError, match="of the form samples:NAME=PATH"):
        parse("samples", None)
    with pytest.raises(UsageError, match="of the form recons:NAME=PATH"):
        parse("recons", "/some/folder")
    with pytest.raises(Missing, match="there is no"):
        parse("samples", f"gan={tmp_path / 'nowhere'}")


def test_rows_keep_their_names_and_commas_in_paths(tmp_path):
    folder = write_folder(tmp_path / "with,comma", ["a.png"], pixels(1))
    texts = (f"samples:StyleGAN2={folder}", f"samples:Projected GAN={folder}", f"recons:other={folder}")
    rows = cells(RunConfig(methods=texts, preset="smoke"), with_plugins(METHODS, ()))
    assert [row.label for row in rows] == list(texts)
    assert [Path(row.settings.path).name for row in rows] == ["with,comma"] * 3
