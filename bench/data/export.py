"""Frozen images as files: archives that others read, PNG strips, grids and sheets."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.core.files import write_file
from bench.core.native import fitted
from bench.data.frozen import Frozen
from bench.data.readers.files import NVIDIA_INDEX

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every member, so that equal images give equal files."""


def nvidia(images: Frozen, path: Path) -> None:
    """A zip of ``00000/img00000000.png`` and ``dataset.json`` with the labels or null, uncompressed as theirs is."""
    names = [f"{i // 1000:05d}/img{i:08d}.png" for i in range(len(images))]
    labels = None if images.labels is None else [[n, int(k)] for n, k in zip(names, images.labels, strict=True)]

    def write(file: Path) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, pixels in zip(names, images.pixels, strict=True):
                archive.writestr(zipfile.ZipInfo(name, EPOCH), png(pixels))
            archive.writestr(zipfile.ZipInfo(NVIDIA_INDEX, EPOCH), json.dumps({"labels": labels}))

    write_file(path, write)


def adm(images: Frozen, path: Path) -> None:
    """An uncompressed ``.npz`` with ``arr_0`` uint8 ``[N, H, W, 3]`` and, where there are labels, ``arr_1``."""

    def write(file: Path) -> None:
        arrays = [images.pixels.transpose(0, 2, 3, 1)] + ([images.labels] if images.labels is not None else [])
        with file.open("wb") as opened:
            np.savez(opened, *arrays)

    write_file(path, write)


def png(pixels: np.ndarray) -> bytes:
    """One image uint8 ``[3, H, W]`` as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(buffer, "PNG")
    return buffer.getvalue()


def sheet(images: Frozen, count: int, columns: int) -> bytes:
    """A contact sheet of the first images as a PNG file, two pixels of white between them."""
    shown = images.pixels[:count].transpose(0, 2, 3, 1)
    side, gap = shown.shape[1], 2
    rows = -(-len(shown) // columns)
    canvas = np.full((rows * (side + gap) - gap, columns * (side + gap) - gap, 3), 255, np.uint8)
    for i, image in enumerate(shown):
        top, left = (i // columns) * (side + gap), (i % columns) * (side + gap)
        canvas[top : top + side, left : left + side] = image
    return png(canvas.transpose(2, 0, 1))


FORMATS: dict[str, Callable[[Frozen, Path], None]] = {"nvidia": nvidia, "adm": adm}


def strip(rows: Sequence[np.ndarray]) -> bytes:
    """Rows of images, each uint8 ``[N, 3, H, W]`` with equal N, one above the other."""
    joined = np.concatenate([np.concatenate(list(row), axis=2) for row in rows], axis=1)
    return png(joined)


def boxed(pixels: np.ndarray, side: int) -> np.ndarray:
    """An image uint8 ``[3, H, W]`` whole, reduced where it is larger, in the middle of a white square of ``side``."""
    image = fitted(pixels.transpose(1, 2, 0), side)
    height, width = image.shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    square = np.full((side, side, 3), 255, np.uint8)
    square[top : top + height, left : left + width] = image
    return square.transpose(2, 0, 1)


def grid(images: np.ndarray) -> bytes:
    """Images uint8 ``[N, 3, H, W]`` as a square grid, row by row; what is left over stays white."""
    side = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / side)
    padded = np.full((rows * side, *images.shape[1:]), 255, np.uint8)
    padded[: len(images)] = images
    return strip(list(padded.reshape(rows, side, *images.shape[1:])))


def heat(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps in [0, 1], ``[N, rows, columns]``, as uint8 ``[N, 3, height, width]``: black, red, yellow, white.

    Every cell becomes an equal rectangle; what does not fit below and on the right is cut off.
    """
    colours = np.stack([np.clip(3 * values - channel, 0, 1) for channel in range(3)], axis=1)
    rows, columns = values.shape[1:]
    large = colours.repeat(math.ceil(height / rows), axis=2).repeat(math.ceil(width / columns), axis=3)
    return (large[:, :, :height, :width] * 255).round().astype(np.uint8)


def export(frozen: Frozen, seeds: Sequence[int], folder: Path) -> None:
    """Writes every sample as ``seed<number>.png``; ``seeds`` in ascending order, as the samples are."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, pixels in zip(sorted(seeds), frozen.pixels, strict=True):
        (folder / f"seed{seed:06d}.png").write_bytes(png(pixels))
