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


def heat(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps in [0, 1], ``[N, rows, columns]``, as uint8 ``[N, 3, height, width]``: black, red, yellow, white.

    Every cell becomes an equal rectangle; what does not fit below and on the right is cut off.
    """
    colours = np.stack([np.clip(3 * values - channel, 0, 1) for channel in range(3)], axis=1)
    rows, columns = values.shape[1:]
    large = colours.repeat(math.ceil(height / rows), axis=2).repeat(math.ceil(width / columns), axis=3)
    return (large[:, :, :height, :width] * 255).round().astype(np.uint8)
