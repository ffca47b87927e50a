"""Makes the photographs of ``photos`` and their table: ``python -m tests.scripts.embedded_photographs KODAK [OUT]``.

KODAK is the folder with kodim01.png to kodim24.png; OUT is by default where the package keeps the photographs. Pixels
follow from the originals exactly; the bytes of the WebP files also from the version of libwebp.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from bench.core import digest, images
from bench.data.datasets.photos import FOLDER, TABLE

HEAD = """# Written by tests/scripts/embedded_photographs.py.
title = "Kodak Lossless True Color Image Suite, at half size"
url = "https://r0k.us/graphics/kodak/"
licence = "released by the Eastman Kodak Company for unrestricted use"
made = "mean of every 2 x 2 pixels, halves rounded up; lossless WebP"
"""


def halved(pixels: np.ndarray) -> np.ndarray:
    """The mean of every 2 x 2 pixels, uint8 ``[H, W, 3]`` to ``[H / 2, W / 2, 3]``; halves are rounded up."""
    height, width, channels = pixels.shape
    sums = pixels.astype(np.uint16).reshape(height // 2, 2, width // 2, 2, channels).sum((1, 3), dtype=np.uint16)
    return ((sums + 2) // 4).astype(np.uint8)


def encoded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=100, method=6)
    return buffer.getvalue()


def make(kodak: Path, out: Path) -> None:
    """Writes the files and ``source.toml`` into ``out``."""
    originals = sorted(kodak.glob("kodim*.png"))
    assert len(originals) == 24, f"{kodak} holds {len(originals)} of the 24 photographs"
    rows = []
    for original in originals:
        pixels = halved(images.decode(original, original.name).pixels)
        data = encoded(pixels)
        (out / f"{original.stem}.webp").write_bytes(data)
        rows.append(
            f'\n[[photographs]]\nname = "{original.stem}"\nwidth = {pixels.shape[1]}\nheight = {pixels.shape[0]}\n'
            f'sha256 = "{digest.of_bytes(data)}"\noriginal_sha256 = "{digest.of_file(original)}"\n'
        )
    (out / TABLE).write_text(HEAD + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else FOLDER)
