"""Frozen images in the layouts of other tools: NVIDIA ``dataset_tool`` zips and ADM-type ``.npz`` batches."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from bench.arrays import Frozen
from bench.files import write_file
from bench.members import NVIDIA_INDEX

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
