"""Images of one size or of several, by place: their sizes, and batches of equal size that keep memory bounded.

What :class:`bench.core.images.ImageArray` is for images of one size, :data:`Images` is for images of any. Batches are
formed by size; a batch says the places of its images in the set, so that results are kept in the order of the set.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.core.images import ImageArray
from bench.data import frozen, mixed
from bench.data.frozen import Frozen
from bench.data.mixed import Mixed

Images = ImageArray | Mixed

BATCH_PIXELS = 64 * 64 * 64
"""Pixels of a batch that a tokenizer is given: 64 images of 64 px, 16 of 128 px, 4 of 256 px, one larger image."""


def sizes(images: Images) -> np.ndarray:
    """(height, width) of every image, int64 ``[N, 2]``."""
    if isinstance(images, Mixed):
        return images.sizes
    return np.tile(np.array(images.pixels.shape[2:], np.int64), (len(images), 1))


def take(images: Images, places: np.ndarray) -> np.ndarray:
    """A copy of the images at ``places``, which have one size: uint8 ``[n, 3, H, W]``."""
    if isinstance(images, Mixed):
        return np.stack([images.image(int(i)) for i in places])
    return np.array(images.pixels[places])


def plan(found: np.ndarray, most: int, pixels: int = BATCH_PIXELS) -> list[np.ndarray]:
    """The places of the images of each batch, for images of the sizes ``found``, int64 ``[N, 2]``.

    A batch has images of one size, at most ``most`` of them and at most ``pixels`` pixels, or one larger image. Within
    a size images keep their order; sizes follow each other from small to large.
    """
    different, which = np.unique(found, axis=0, return_inverse=True)
    order, batches = np.argsort(which.reshape(-1), kind="stable"), []
    edges = np.cumsum([0, *np.bincount(which.reshape(-1), minlength=len(different))])
    for (height, width), first, last in zip(different.tolist(), edges[:-1], edges[1:], strict=True):
        step = max(min(most, pixels // (height * width)), 1)
        batches += [order[start : min(start + step, last)] for start in range(first, last, step)]
    return batches


def batches(images: Images, most: int, pixels: int = BATCH_PIXELS) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of :func:`plan`: places int64 ``[n]``, and images uint8 ``[n, 3, H, W]``, copied from the map."""
    for places in plan(sizes(images), most, pixels):
        yield places, take(images, places)


def first(images: Images, count: int) -> Images:
    """The first ``count`` images (all if there are fewer), as images with a digest of their own."""
    if count >= len(images):
        return images
    return mixed.first(images, count) if isinstance(images, Mixed) else frozen.first(frozen.as_frozen(images), count)


def alike(images: Images, count: int) -> np.ndarray:
    """The first ``count`` images of the size that most images have: uint8 ``[n, 3, H, W]``."""
    if not isinstance(images, Mixed):
        return np.array(images.pixels[:count])
    _, which, counts = np.unique(images.sizes, axis=0, return_inverse=True, return_counts=True)
    return take(images, np.flatnonzero(which.reshape(-1) == counts.argmax())[:count])


def largest(images: Images, most: int, pixels: int = BATCH_PIXELS) -> np.ndarray:
    """The first batch of :func:`plan` among the images of the largest size: uint8 ``[n, 3, H, W]``."""
    found = sizes(images)
    alone = np.flatnonzero((found == found[found.prod(axis=1).argmax()]).all(axis=1))
    height, width = found[alone[0]].tolist()
    return take(images, alone[: max(min(most, pixels // (height * width)), 1)])


def as_frozen(images: Images) -> Frozen | Mixed:
    """Images of any origin with their manifest; digests are computed where they are of another type."""
    return images if isinstance(images, Mixed) else frozen.as_frozen(images)


def said(found: np.ndarray) -> str:
    """Sizes, int64 ``[N, 2]``, for a reader, width first: ``64x64``, or by area ``512x768 to 768x512``."""
    areas = found.prod(axis=1)
    order = np.lexsort((found[:, 0], found[:, 1], areas))
    ends = [f"{width}x{height}" for height, width in found[order[[0, -1]]].tolist()]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
