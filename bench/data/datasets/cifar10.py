"""``cifar10`` (Krizhevsky 2009), from its binary version: 50,000 training and 10,000 test images of 32 px.

The Python version is pickled and therefore not read.
"""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from bench.core import digest, images
from bench.core.files import regular, to_the_end
from bench.core.visible import in_short
from bench.data import prepare, prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers.files import Members
from bench.data.readers.safety import UNPACKING_ERRORS
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.core.progress import Progress

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
PER_FILE = 10_000
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILES = ("test_batch.bin",)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SPLIT = "CIFAR-10's own training and test batches"


def open_cifar10(request: DatasetRequest) -> Dataset:
    """CIFAR-10 as it was prepared, or from ``request.path``; raises :class:`bench.errors.Missing` otherwise."""
    return prepared.named(request, build, remedy(request))


def remedy(request: DatasetRequest) -> str:
    """What to do where the data are not there."""
    if request.resolution > SIDE:
        return f"CIFAR-10's images are {SIDE} px, not {request.resolution}; take --preset smoke, which is {SIDE} px."
    return "\n".join(
        (
            f"CIFAR-10 is not prepared at {request.resolution} px. Run",
            f"  python -m bench data prepare cifar10 --resolution {request.resolution}",
            f"    to download {URL} (170 MB), or the same with",
            "  --from PATH",
            "    where PATH is cifar-10-binary.tar.gz or the folder cifar-10-batches-bin out of it.",
        )
    )


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Brings the binary archive into the cache and checks its published MD5."""
    from bench.core import fetch
    from bench.core.fetch import File

    if request.resolution > SIDE:
        raise UsageError(remedy(request))
    file = File("cifar-10-binary.tar.gz", URL, f"md5:{MD5}", "https://www.cs.toronto.edu/~kriz/cifar.html")
    return fetch.obtain(file, request.cache / "downloads" / "cifar10", progress)


def build(request: DatasetRequest, path: Path) -> Dataset:
    """Prepares CIFAR-10 from the binary archive or its unpacked folder; whole batches are not required."""
    if request.resolution > SIDE:
        raise UsageError(remedy(request))
    files = _from_folder(path) if path.is_dir() else _from_archive(path)
    train = _members(path, {name: files[name] for name in TRAIN_FILES if name in files})
    test = _members(path, {name: files[name] for name in TEST_FILES if name in files})
    if not train.names or not test.names:
        raise UsageError(f"{path} lacks data_batch_*.bin or test_batch.bin; give CIFAR-10's binary version ({URL}).")
    found = (len(train.names), len(test.names))
    facts = {"counts": {"train": found[0], "val": found[1]}, "complete": found == (5 * PER_FILE, PER_FILE)}
    return prepare.dataset(request, "cifar10", train, test, split=SPLIT, facts=facts)


def _from_folder(path: Path) -> dict[str, bytes]:
    places = {name: path / name for name in (*TRAIN_FILES, *TEST_FILES)}
    return {name: place.read_bytes() for name, place in places.items() if place.is_file()}


def _from_archive(path: Path) -> dict[str, bytes]:
    """The batches of the tar file; links, other members and members of another length are not read."""
    found = {}
    regular(path)
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if name in (*TRAIN_FILES, *TEST_FILES) and member.isreg() and 0 <= member.size <= PER_FILE * RECORD:
                    file = archive.extractfile(member)
                    found[name] = file.read() if file is not None else b""
            to_the_end(archive.fileobj)
    except (tarfile.TarError, *UNPACKING_ERRORS) as error:
        raise UsageError(f"{path} is not a readable archive ({in_short(error)}); download {URL} again.") from error
    return found


def _members(path: Path, files: dict[str, bytes]) -> Members:
    """One member per record: its label byte and its 3,072 bytes of planes."""
    labels: dict[str, int] = {}
    places: dict[str, tuple[str, int]] = {}
    for file, data in files.items():
        if len(data) % RECORD or not data:
            raise UsageError(f"{file} of {path} is not a whole number of {RECORD}-byte records; download {URL} again.")
        for index in range(len(data) // RECORD):
            name = f"{file}/{index:05d}"
            places[name] = (file, index * RECORD)
            labels[name] = data[index * RECORD]
    if any(label >= len(CLASSES) for label in labels.values()):
        raise UsageError(f"{path} holds a label above {len(CLASSES) - 1}; it is not CIFAR-10. Download {URL} again.")

    def read(name: str) -> bytes:
        file, start = places[name]
        return files[file][start + 1 : start + RECORD]

    stamp = digest.of_value([[name, digest.of_bytes(data)] for name, data in files.items()])
    return Members(str(path), tuple(places), stamp, read, _decode, labels, CLASSES)


def _decode(data: bytes, name: str) -> images.Decoded:
    planes = np.frombuffer(data, np.uint8).reshape(3, SIDE, SIDE)
    return images.Decoded(np.ascontiguousarray(planes.transpose(1, 2, 0)), "raw")
