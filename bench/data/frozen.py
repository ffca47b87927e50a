"""Frozen image arrays: uint8 pixels in one memory-mapped file, with a manifest, identified by content.

A frozen folder holds ``pixels.u8`` (raw uint8 ``[N, 3, H, W]``), ``digests.bin`` (the SHA-256 of every image, 32 bytes
each), ``labels.i64`` where there are labels, ``sources.jsonl`` (one line per source image) and ``manifest.json``.
:mod:`bench.data.freezing` writes them.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from bench.core import digest as digests_of
from bench.core import documents
from bench.core.images import ImageArray
from bench.errors import IntegrityError

SCHEMA = "bench.frozen/1"
DIGEST_BYTES = 32
HASHED_TOGETHER = 256
"""Images that one thread compares at a time."""

PIXELS, DIGESTS, LABELS, SOURCES, MANIFEST = "pixels.u8", "digests.bin", "labels.i64", "sources.jsonl", "manifest.json"


@dataclass(frozen=True)
class Frozen:
    """Images that no longer change; a :class:`bench.core.images.ImageArray`.

    ``pixels`` is uint8 ``[N, 3, H, W]``, read-only; ``image_digests`` uint8 ``[N, 32]``; ``folder`` is
    where they lie (the first of a longer array: where that lies), None in memory.
    """

    digest: str
    pixels: np.ndarray
    labels: np.ndarray | None
    image_digests: np.ndarray
    manifest: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.pixels)


class Digested(Protocol):
    """Images with a digest each, uint8 ``[N, 32]``."""

    @property
    def image_digests(self) -> np.ndarray:
        """uint8 ``[N, 32]``."""
        ...


def image_digests(pixels: np.ndarray) -> np.ndarray:
    """SHA-256 of every image's bytes: uint8 ``[N, ...]`` to uint8 ``[N, 32]``."""
    whole = b"".join(hashlib.sha256(np.ascontiguousarray(image).data).digest() for image in pixels)
    return np.frombuffer(whole, np.uint8).reshape(-1, DIGEST_BYTES)


def combined(rows: np.ndarray, height: int, width: int) -> str:
    """The digest of an array from its images' digests, in order, and its size."""
    state = hashlib.sha256(f"images {height}x{width}\n".encode())
    state.update(np.ascontiguousarray(rows).tobytes())
    return state.hexdigest()


def in_memory(pixels: np.ndarray, labels: np.ndarray | None = None) -> Frozen:
    """Wraps uint8 ``[N, 3, H, W]`` with the digest that a frozen folder of the same images has."""
    rows = image_digests(pixels)
    return Frozen(combined(rows, pixels.shape[2], pixels.shape[3]), pixels, labels, rows)


def first(images: Frozen, count: int) -> Frozen:
    """The first ``count`` images (all if there are fewer), as an array with a digest of its own.

    Prepared datasets are stored in the order of their source digests, so that any prefix is a fair sample.
    """
    if count >= len(images):
        return images
    height, width = images.pixels.shape[2:]
    rows = images.image_digests[:count]
    labels = None if images.labels is None else images.labels[:count]
    manifest = {**images.manifest, "count": count, "first_of": len(images)}
    return Frozen(combined(rows, height, width), images.pixels[:count], labels, rows, manifest, images.folder)


def as_frozen(array: ImageArray) -> Frozen:
    """An :class:`ImageArray` of any origin as :class:`Frozen`; its digests are computed where it is another type."""
    return array if isinstance(array, Frozen) else in_memory(array.pixels, array.labels)


def duplicates(one: Digested, other: Digested) -> list[int]:
    """The positions in ``other`` of images whose pixels also occur in ``one``."""
    known = {bytes(row) for row in one.image_digests}
    return [i for i, row in enumerate(other.image_digests) if bytes(row) in known]


# --------------------------------------------------------------------------------------------------------------
# Reading


def open_frozen(folder: Path) -> Frozen:
    """Opens a frozen folder, memory-mapped, and compares every image and file with its digest.

    They are compared once per process for each state of the files (device, inode, size and times), so that a stage
    which opens what an earlier one opened waits for nothing. Raises :class:`bench.errors.IntegrityError` when anything
    differs from the manifest.
    """
    frozen = _mapped_folder(folder)
    _verified(folder, state(folder, frozen.manifest))
    return frozen


def verify(frozen: Frozen) -> None:
    """Compares every image with its digest; raises :class:`bench.errors.IntegrityError` naming the first damage."""
    starts = range(0, len(frozen), HASHED_TOGETHER)
    with ThreadPoolExecutor() as pool:
        for damaged in pool.map(lambda start: _damaged(frozen, start), starts):
            if damaged is not None:
                raise IntegrityError(f"Image {damaged} of {frozen.folder} is damaged; prepare the data again.")


@functools.cache
def _verified(folder: Path, state: tuple[tuple[int, ...], ...]) -> None:
    """Verifies a folder in the state that its files are in; what raises is not remembered."""
    frozen = _mapped_folder(folder)
    verify(frozen)
    check_files(folder, frozen.manifest)


def check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Compares the files that a manifest has digests of; raises :class:`bench.errors.IntegrityError` for another."""
    for name, sha256 in manifest.get("sha256_of", {}).items():
        if digests_of.of_file(folder / name) != sha256:
            raise IntegrityError(f"{folder / name} is damaged; prepare the data again.")


def state(folder: Path, manifest: Mapping[str, Any]) -> tuple[tuple[int, ...], ...]:
    """What tells whether any file of the folder was changed or replaced."""
    stats = [(folder / name).stat() for name in (*manifest["lengths"], MANIFEST)]
    return tuple((s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in stats)


def _mapped_folder(folder: Path) -> Frozen:
    """The folder with the sizes of its files and the digest of its digests checked, its pixels not."""
    manifest = manifest_of(folder)
    count, height, width = (int(manifest[key]) for key in ("count", "height", "width"))
    check_lengths(folder, manifest)
    pixels = mapped(folder / PIXELS, np.uint8, (count, 3, height, width))
    rows = mapped(folder / DIGESTS, np.uint8, (count, DIGEST_BYTES))
    labels = mapped(folder / LABELS, np.int64, (count,)) if LABELS in manifest["lengths"] else None
    if combined(rows, height, width) != manifest["digest"]:
        raise IntegrityError(f"{folder / DIGESTS} does not give the digest of its manifest; prepare the data again.")
    return Frozen(manifest["digest"], pixels, labels, rows, manifest, folder)


def check_lengths(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raises :class:`bench.errors.IntegrityError` for a file that is longer or shorter than its manifest says."""
    for name, bytes_ in manifest["lengths"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != bytes_:
            raise IntegrityError(f"{path} is not {bytes_} bytes long as its manifest says; prepare the data again.")


def _damaged(frozen: Frozen, start: int) -> int | None:
    """The first image from ``start`` on, among those hashed together, whose digest is another."""
    stop = min(start + HASHED_TOGETHER, len(frozen))
    rows = image_digests(frozen.pixels[start:stop])
    wrong = np.flatnonzero((rows != frozen.image_digests[start:stop]).any(axis=1))
    return start + int(wrong[0]) if len(wrong) else None


@dataclass(frozen=True)
class Recorded:
    """What the manifest of any frozen folder must say; it may say more."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"allow_inf_nan": False}

    schema: str
    digest: str
    sha256: str
    count: int
    lengths: Mapping[str, int]


@dataclass(frozen=True)
class _Size:
    """What the manifest of images of one size must say, too."""

    height: int
    width: int


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest, whole and of this version; raises :class:`bench.errors.IntegrityError` where it is not."""
    manifest, said, door = recorded(folder, SCHEMA)
    size: _Size = documents.check(_Size, manifest, door)
    each = {PIXELS: 3 * size.height * size.width, DIGESTS: DIGEST_BYTES}
    if not fits(said, each) or min(said.count, size.height - 1, size.width - 1) < 0:
        raise door.refuse(MISFIT)
    return manifest


MISFIT = "records sizes that do not belong together"


def recorded(folder: Path, schema: str) -> tuple[dict[str, Any], Recorded, documents.Door]:
    """A folder's manifest with its own digest, what it must say in any case, and how it is refused for more.

    Raises :class:`bench.errors.IntegrityError` for a manifest that was changed or has another schema.
    """
    path = folder / MANIFEST
    door = documents.Door(str(path), "prepare the data again", IntegrityError)
    manifest: dict[str, Any] = documents.from_json(documents.read(path, door), door)
    said: Recorded = documents.check(Recorded, manifest, door)
    if said.schema != schema or said.sha256 != self_digest(manifest):
        raise door.refuse("was changed or is of another version")
    return manifest, said, door


def fits(said: Recorded, each: Mapping[str, int | None]) -> bool:
    """Whether a folder records these files, with so many bytes of each image (None: any), and no unknown ones."""
    each = {**each, **({LABELS: 8} if LABELS in said.lengths else {})}
    right = all(size is None or said.lengths.get(name) == said.count * size for name, size in each.items())
    return right and each.keys() <= said.lengths.keys() <= {*each, SOURCES}


def self_digest(manifest: Mapping[str, Any]) -> str:
    """The digest that a manifest carries of itself."""
    return digests_of.of_value({key: value for key, value in manifest.items() if key != "sha256"})


def mapped(path: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    """A file as an array that cannot be written to."""
    if not shape[0]:  # an empty file cannot be mapped
        return np.empty(shape, dtype)
    return np.asarray(np.memmap(path, dtype, "r", shape=shape))
