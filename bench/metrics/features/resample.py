"""Resizing as the feature extractors' conventions ask for it: float32, never quantised, on any device.

Every linear resize is a product with two sparse matrices, one per axis; all images of a batch go through one matrix.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def bicubic_antialiased(images: Tensor, height: int, width: int) -> Tensor:
    """Float32 ``[N, 3, H, W]`` in [0, 255] to ``[N, 3, height, width]``, clipped to [0, 255].

    Pillow's bicubic filter (a = -0.5, widened by the scale when it reduces) on float images, without rounding: the
    resize of clean-fid (Parmar et al. 2022, section 3).
    """
    rows = _matrix(images.shape[2], height, images.device)
    columns = _matrix(images.shape[3], width, images.device)
    return (rows @ (images @ columns.T)).clamp(0, 255)


def _matrix(inputs: int, outputs: int, device: torch.device) -> Tensor:
    """Float32 ``[outputs, inputs]``; each row holds the normalised weights of one output pixel."""
    scale = inputs / outputs
    stretch = max(scale, 1.0)
    support = 2 * stretch
    matrix = np.zeros((outputs, inputs))
    for i in range(outputs):
        centre = (i + 0.5) * scale
        first = max(int(centre - support + 0.5), 0)
        last = min(int(centre + support + 0.5), inputs)
        weights = _cubic((np.arange(first, last) - centre + 0.5) / stretch)
        matrix[i, first:last] = weights / weights.sum()
    return torch.from_numpy(matrix.astype(np.float32)).to(device)


def _cubic(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Keys' cubic convolution kernel (Keys 1981, eq. 15) with a = -0.5."""
    x = np.abs(x)
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))
