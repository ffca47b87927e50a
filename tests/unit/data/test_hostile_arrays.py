"""Damaged and hostile arrays and archives of arrays: one sentence each, before anything large is allocated."""

import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data import image_sets
from bench.data.datasets.local import open_npz
from bench.data.readers import files, npz
from bench.errors import UsageError
from tests import sources

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)


def npy(array, header=None):
    """The bytes of a ``.npy`` file; ``header`` replaces the declared dictionary."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    if header is None:
        return buffer.getvalue()
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + array.tobytes()


def declared(shape, dtype="'|u1'", fortran=False):
    return f"{{'descr': {dtype}, 'fortran_order': {fortran}, 'shape': {shape}}}"


def batch(path, method=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


SHAPES = [
    *(
        "(-3, 8, 8, 3)",
        "(3, -8, -8, 3)",
        "(1000000000000, 0, 8, 3)",
        "(3, 8, 8, 3, 1 << 62)",
        "(4611686018427387904,) * 4",
    ),
    *(
        "(3.0, 8, 8, 3)",
        "(True, 8, 8, 3)",
        "(9999999999999999999999, 8, 8, 3)",
        "(0, 8, 8, 3)",
        "(3, 8, 0, 3)",
        "()",
        "3",
    ),
    *("(576,)", "'a'", "(" * 200 + ")" * 200, "(3, 8, 8, 3)" + " " * 20_000),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_absurd_shapes_are_one_sentence(tmp_path, shape, method):
    data = npy(PIXELS, declared(shape))
    with pytest.raises(UsageError, match=r"b\.npz"):
        npz.opened(batch(tmp_path / "b.npz", method, arr_0=data))
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(UsageError, match=r"a\.npy"):
        npz.array(tmp_path / "a.npy")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_fortran_order_is_read(tmp_path, save):
    save(tmp_path / "b.npz", np.asfortranarray(PIXELS))
    np.save(tmp_path / "b.npy", np.asfortranarray(PIXELS))
    for found in (npz.opened(tmp_path / "b.npz"), npz.array(tmp_path / "b.npy")):
        assert np.array_equal(np.stack([found.pixels(name).pixels for name in found.names]), PIXELS)


ODD_LABELS = [
    *(np.array([1.5, 2, 3]), np.array([0, 1]), np.array(["a", "b", "c"]), np.array([-1, 0, 1])),
    np.array([0, 1, 1 << 63], np.uint64),
]


@pytest.mark.parametrize("labels", ODD_LABELS)
def test_labels_that_are_no_class_numbers_matter_only_where_labels_are_kept(tmp_path, labels):
    np.savez(tmp_path / "b.npz", PIXELS, labels)
    assert len(image_sets.open_set(image_sets.find(tmp_path / "b.npz"), tmp_path / "cache").names) == 3
    with pytest.raises(UsageError, match=r"arr_1 of .*b\.npz"):
        open_npz(sources.request(tmp_path / "cache", path=tmp_path / "b.npz", resolution=8))


def test_a_stored_array_with_a_wrong_checksum_is_refused(tmp_path):
    path = tmp_path / "b.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 40, 3), np.uint8)
    np.savez(path, pixels)
    data = bytearray(path.read_bytes())
    data[data.index(pixels.tobytes()) + 100_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"arr_0\.npy of .*b\.npz does not have its checksum"):
        image_sets.open_set(image_sets.find(path), tmp_path / "cache")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_corrupt_compressed_array_is_refused(tmp_path, method):
    path = batch(tmp_path / "b.npz", method, arr_0=npy(PIXELS), arr_1=npy(np.arange(3)))
    whole = path.read_bytes()
    for place in range(45, 400, 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            found = npz.opened(path)
        except UsageError:
            continue
        assert method == zipfile.ZIP_LZMA, "only LZMA has bytes that nothing depends on"
        assert np.array_equal(np.stack([found.pixels(name).pixels for name in found.names]), PIXELS)


@pytest.mark.parametrize(("offset", "value"), [(8, 1), (10, 97)])
@pytest.mark.parametrize("name", ["arr_0.npy", "a.png"])
def test_encrypted_and_unknown_compression_are_one_sentence(tmp_path, offset, value, name):
    """Flags (encrypted) and method (97: WavPack) of a member, in its own header and in the directory."""
    path = tmp_path / ("b.npz" if name.endswith("npy") else "b.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, npy(PIXELS) if name.endswith("npy") else sources.encoded(0))
    data = bytearray(path.read_bytes())
    for start in (data.index(b"PK\x01\x02") + offset, data.index(b"PK\x03\x04") + offset - 2):
        data[start : start + 2] = value.to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.raises(UsageError, match=path.name):
        image_sets.open_set(image_sets.find(path), tmp_path / "cache")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "b.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("arr_0.npy", "w") as file:
        count = 1 << 14
        file.write(npy(np.zeros(0, np.uint8), declared(f"({count}, 128, 128, 3)")))
        for _ in range(count // 64):
            file.write(bytes(64 * 128 * 128 * 3))
    with pytest.raises(UsageError, match="as a zip bomb does"):
        npz.opened(path)


ODD_INDICES = [
    *("[" * 100_000, '{"labels": ' + "[" * 100_000, '{"labels": 3}', "[]", "\udcff"),
    *(f'{{"labels": [["0.png", {value}]]}}' for value in ("1e400", "9" * 20, "1.5", "true", "[1]", "-1", '"1"')),
    '{"labels": [["0.png"]]}',
]


@pytest.mark.parametrize("labels", ODD_INDICES)
def test_labels_of_an_nvidia_zip_that_are_no_class_numbers_are_one_sentence(tmp_path, labels):
    data = {"0.png": sources.encoded(0), "dataset.json": labels.encode("utf-8", "surrogateescape")}
    with pytest.raises(UsageError, match=r"dataset\.json of .*i\.zip"):
        files.open_path(sources.zipped(tmp_path / "i.zip", data))


def test_a_list_of_labels_may_be_a_bomb_too(tmp_path):
    with zipfile.ZipFile(tmp_path / "i.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", sources.encoded(0))
        archive.writestr("dataset.json", b" " * 30_000_000)
    with pytest.raises(UsageError, match=r"'dataset\.json' unpacks"):
        files.open_path(tmp_path / "i.zip")


def seeds(folder):
    np.savez(folder / "stored.npz", PIXELS, np.arange(3))
    np.savez_compressed(folder / "packed.npz", PIXELS, np.arange(3))
    np.save(folder / "array.npy", PIXELS)
    labels = {"dataset.json": json.dumps({"labels": [["0.png", 1]]}).encode(), "0.png": sources.encoded(0)}
    sources.zipped(folder / "labelled.zip", labels)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damage_anywhere_is_one_sentence_or_the_same_images(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    whole = seeds(folder)
    name = data.draw(st.sampled_from(sorted(whole)))
    content = bytearray(whole[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
        if kind == "flip":
            content[place] ^= data.draw(st.integers(1, 255))
        elif kind == "cut":
            del content[place : place + data.draw(st.integers(1, 64))]
        else:
            content[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        if not content:
            break
    (folder / name).write_bytes(content)
    try:
        found = image_sets.open_set(image_sets.find(folder / name), folder / "cache")
    except UsageError:
        return
    if name.endswith("npz") and found.images.pixels.shape == (3, 3, 8, 8):
        assert np.array_equal(found.images.pixels, PIXELS.transpose(0, 3, 1, 2)), "damage passed without a word"


LIMIT = 1 << 30
CODE = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
from pathlib import Path
from bench.data import image_sets
from bench.errors import UsageError
start = time.monotonic()
try:
    image_sets.open_set(image_sets.find(Path(sys.argv[1])), Path(sys.argv[2]))
except UsageError as error:
    print("refused", time.monotonic() - start, error)
"""


@pytest.mark.parametrize("kind", ["/dev/zero", "/dev/stdin", "pipe", "pipe.npz", "pipe.npy", "pipe.png", "folder.npz"])
def test_a_device_or_a_pipe_is_refused_at_once(tmp_path, kind):
    import os

    path = Path(kind)
    if kind.startswith("pipe"):
        os.mkfifo(path := tmp_path / kind)
    if kind.startswith("folder"):
        (path := tmp_path / kind).mkdir()
    code = CODE.format(limit=LIMIT)
    done = subprocess.run(
        [sys.executable, "-c", code, path, tmp_path / "cache"],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.PIPE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert words[0] == "refused"
    assert float(words[1]) < 2
    assert str(path) in done.stdout
