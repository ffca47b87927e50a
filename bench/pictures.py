"""Images side by side as PNG bytes, for people to look at. No torch."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image


def strip(rows: Sequence[np.ndarray]) -> bytes:
    """Rows of images, each uint8 ``[N, 3, H, W]`` with equal N, one above the other."""
    joined = np.concatenate([np.concatenate(list(row), axis=2) for row in rows], axis=1)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(joined.transpose(1, 2, 0))).save(buffer, format="PNG")
    return buffer.getvalue()


def grid(images: np.ndarray) -> bytes:
    """Images uint8 ``[N, 3, H, W]`` as a square grid, row by row; what is left over stays white."""
    side = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / side)
    padded = np.full((rows * side, *images.shape[1:]), 255, np.uint8)
    padded[: len(images)] = images
    return strip(list(padded.reshape(rows, side, *images.shape[1:])))
