"""Frozen images of different heights and widths, in one memory-mapped file, under one digest and in one order.

A folder of them is as one of :mod:`bench.data.frozen`, but ``pixels.u8`` holds the images (uint8 ``[3, H, W]`` each)
one after the other, and ``sizes.i32`` the height and width of every image. Where all images turn out to have one size
there is no such file: the folder, its format and its digest are those of :mod:`bench.data.frozen`.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import frozen as equal
from bench.data.frozen import DIGEST_BYTES, DIGESTS, LABELS, PIXELS, Frozen
from bench.errors import IntegrityError

SCHEMA = "bench.frozen/2"
SIZES = "sizes.i32"


@dataclass(frozen=True)
class Mixed:
    """Images of at least two sizes that no longer change.

    ``data`` is uint8, all pixels in a row, read-only; ``sizes`` int64 ``[N, 2]``, (height, width) of each image;
    ``image_digests`` uint8 ``[N, 32]``; ``labels`` int64 ``[N]`` or None.
    """

    digest: str
    data: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray | None
    image_digests: np.ndarray
    manifest: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    @functools.cached_property
    def starts(self) -> np.ndarray:
        """Where each image begins in ``data``, and where the last ends, int64 ``[N + 1]``."""
        return starts(self.sizes)

    def image(self, index: int) -> np.ndarray:
        """uint8 ``[3, H, W]``, a view of the map."""
        height, width = self.sizes[index]
        return self.data[self.starts[index] : self.starts[index + 1]].reshape(3, height, width)


def starts(sizes: np.ndarray) -> np.ndarray:
    """Where images of these sizes, ``[N, 2]``, begin when they lie one after the other, and where the last ends."""
    found: np.ndarray = np.concatenate([[0], np.cumsum(3 * sizes.astype(np.int64).prod(axis=1))])
    return found


def combined(rows: np.ndarray, sizes: np.ndarray) -> str:
    """The digest of images from their digests and sizes, in order; that of the frozen array where all have one size."""
    different = np.unique(sizes, axis=0)
    if len(different) == 1:
        return equal.combined(rows, int(different[0, 0]), int(different[0, 1]))
    state = hashlib.sha256(b"images of different sizes\n")
    state.update(np.ascontiguousarray(sizes, "<i4").tobytes())
    state.update(np.ascontiguousarray(rows).tobytes())
    return state.hexdigest()


def in_memory(images: Sequence[np.ndarray], labels: np.ndarray | None = None) -> Frozen | Mixed:
    """Wraps uint8 ``[3, H, W]`` each with the digest that a frozen folder of the same images has."""
    rows = np.concatenate([equal.image_digests(image[None]) for image in images])
    data = np.concatenate([np.ascontiguousarray(image).reshape(-1) for image in images])
    sizes = np.array([image.shape[1:] for image in images], np.int64)
    return gathered(Mixed(combined(rows, sizes), data, sizes, labels, rows))


def gathered(images: Mixed) -> Frozen | Mixed:
    """The images themselves, or as a frozen array where all have one size."""
    if len(np.unique(images.sizes, axis=0)) > 1:
        return images
    pixels = images.data.reshape(len(images), 3, *images.sizes[0])
    return Frozen(images.digest, pixels, images.labels, images.image_digests, images.manifest, images.folder)


def first(images: Mixed, count: int) -> Frozen | Mixed:
    """The first ``count`` images (all if there are fewer), with a digest of their own."""
    if count >= len(images):
        return images
    rows, sizes = images.image_digests[:count], images.sizes[:count]
    labels = None if images.labels is None else images.labels[:count]
    manifest = {**images.manifest, "count": count, "first_of": len(images)}
    data = images.data[: images.starts[count]]
    return gathered(Mixed(combined(rows, sizes), data, sizes, labels, rows, manifest, images.folder))


# --------------------------------------------------------------------------------------------------------------
# Reading


def open_images(folder: Path) -> Frozen | Mixed:
    """Opens a frozen folder of one size or of several, and compares every image and file with its digest.

    As :func:`bench.data.frozen.open_frozen`. Raises :class:`IntegrityError` when anything differs from the manifest.
    """
    if not (folder / SIZES).exists():
        return equal.open_frozen(folder)
    mixed = _mapped_folder(folder)
    _verified(folder, equal.state(folder, mixed.manifest))
    return mixed


@functools.cache
def _verified(folder: Path, state: tuple[tuple[int, ...], ...]) -> None:
    """Verifies a folder in the state that its files are in; what raises is not remembered."""
    mixed = _mapped_folder(folder)
    with ThreadPoolExecutor() as pool:
        rows = pool.map(lambda i: equal.image_digests(mixed.image(i)[None])[0], range(len(mixed)))
        for i, row in enumerate(rows):
            if not np.array_equal(row, mixed.image_digests[i]):
                raise IntegrityError(f"Image {i} of {folder} is damaged; prepare the data again.")
    equal.check_files(folder, mixed.manifest)


def _mapped_folder(folder: Path) -> Mixed:
    """The folder with the sizes of its files and the digest of its digests checked, its pixels not."""
    manifest = manifest_of(folder)
    equal.check_lengths(folder, manifest)
    count = int(manifest["count"])
    sizes = np.fromfile(folder / SIZES, "<i4").reshape(-1, 2).astype(np.int64)
    if sizes.min(initial=1) < 1 or starts(sizes)[-1] != manifest["lengths"][PIXELS]:
        raise IntegrityError(f"{folder / SIZES} does not fit the pixels beside it; prepare the data again.")
    rows = equal.mapped(folder / DIGESTS, np.uint8, (count, DIGEST_BYTES))
    if combined(rows, sizes) != manifest["digest"]:
        raise IntegrityError(f"{folder / DIGESTS} does not give the digest of its manifest; prepare the data again.")
    data = equal.mapped(folder / PIXELS, np.uint8, (manifest["lengths"][PIXELS],))
    labels = equal.mapped(folder / LABELS, np.int64, (count,)) if LABELS in manifest["lengths"] else None
    return Mixed(manifest["digest"], data, sizes, labels, rows, manifest, folder)


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest, whole and of this version; raises :class:`IntegrityError` where it is not."""
    manifest, said, door = equal.recorded(folder, SCHEMA)
    if said.count < 1 or not equal.fits(said, {SIZES: 8, DIGESTS: DIGEST_BYTES, PIXELS: None}):
        raise door.refuse(equal.MISFIT)
    return manifest


def any_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a frozen folder of one size or of several; raises :class:`IntegrityError` as they do."""
    return manifest_of(folder) if (folder / SIZES).exists() else equal.manifest_of(folder)
