"""Statistics files of others: refused in a sentence, and never unpacked beyond their limits."""

import json
import resource
import zipfile

import numpy as np
import pytest

from bench.errors import IntegrityError, UsageError
from bench.metrics import reference_statistics
from bench.metrics.feature_cache import Features

from .scoring import bench


@pytest.fixture
def kept(tmp_path):
    random = np.random.RandomState(0)
    features = {"r64.fc2": Features("a set", random.rand(9, 4).astype(np.float32))}
    facts = {"images": "digest", "conventions": {"r64": reference_statistics.AS_STATED}}
    return reference_statistics.save(tmp_path / "mine.npz", features, facts, with_features=True).path


def header(shape, descr="<f8", order=False):
    text = repr({"descr": descr, "fortran_order": order, "shape": shape}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def said(text):
    """A header of this text, whatever it is."""
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n"


def with_manifest(path, change):
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    text = str(arrays["manifest"])
    np.savez(path, **{**arrays, "manifest": np.array(change(text))})


def test_a_small_file_that_unpacks_to_gigabytes_is_refused_before_it_does(tmp_path):
    path = tmp_path / "bomb.npz"
    side = 20_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mu.npy", header((side,)) + bytes(8 * side))
        with archive.open("sigma.npy", "w", force_zip64=True) as file:
            file.write(header((side, side)))
            for _ in range(side // 100):
                file.write(bytes(8 * side * 100))
    assert path.stat().st_size < 4e6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code, _, err = bench("stats", "import", path, "--name", "bomb", "--extractor", "inception-tf1")
    assert code == 2
    assert f"{path} is not a readable .npz file (its arrays unpack to more than 268,435,456 bytes)" in err
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize(
    "member",
    [
        header((10**12,)),
        header((-1,)),
        header((4,), "|O"),
        header((4,)) + bytes(31),
        header((4,)) + bytes(33),
        header((4,))[:20],
        b"",
        b"\x93NUMPY\x09\x00",
        said("{'descr': '<f8', 'shape': (4,"),
        said("{'descr': ('<f8',), 'fortran_order': False, 'shape': (0,)}"),
        said("{[]: 4}"),
    ],
)
def test_an_array_that_is_not_what_its_header_declares_is_refused(tmp_path, member):
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mu.npy", member)
        archive.writestr("sigma.npy", header((4, 4)) + bytes(8 * 16))
    code, _, err = bench("stats", "import", path, "--name", "bad", "--extractor", "inception-tf1")
    assert code == 2
    assert str(path) in err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: "[" * 2000, "manifest"),
        (lambda t: "[]", "manifest"),
        (lambda t: t.replace('"count": 9', '"count": "9"'), "wrong in count"),
        (lambda t: t.replace('"count": 9', '"count": NaN'), "NaN is no number"),
        (lambda t: t.replace('"count": 9', '"count": -9'), "says of no images"),
        (lambda t: t.replace('"features": ["r64.fc2"]', '"features": ["r64.fc9"]'), "no digests of r64.fc9"),
        (lambda t: t.replace('"features": ["r64.fc2"]', '"features": "r64.fc2"'), "wrong in features"),
        (lambda t: t.replace('"images": "digest"', '"images": 5'), "wrong in images"),
        (lambda t: json.dumps({k: v for k, v in json.loads(t).items() if k != "conventions"}), "lacks the field"),
    ],
)
def test_a_wrong_manifest_exits_5_with_file_and_field(kept, change, words):
    with_manifest(kept, change)
    with pytest.raises(IntegrityError, match=words) as caught:
        reference_statistics.read(kept)
    assert str(kept) in str(caught.value)


def test_damage_anywhere_is_said_in_a_sentence(kept):
    """Every byte of the file's structure turned over, one at a time, in steps."""
    data = kept.read_bytes()
    seen = set()
    for place in range(0, len(data), 23):
        kept.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            reference_statistics.statistics(reference_statistics.read(kept))
            seen.add("unharmed")
        except (IntegrityError, UsageError) as error:
            seen.add(type(error).__name__)
    assert {"IntegrityError", "UsageError"} <= seen
