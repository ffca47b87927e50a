"""The lossy half of a JPEG-like codec: colour, blocks, cosine transform, quantisation tables. Pure functions.

Everything is vectorised over the batch and computed in float64, so that codes do not depend on the batch they were
computed in. All transforms are orthonormal. Constants are made on the CPU, even while shapes are counted on "meta".
"""

from __future__ import annotations

from math import cos, pi, sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

HALF = 128.0
"""Half of the pixel range: luma is centred on zero before the transform, as in JPEG."""
TIE = 1e-9
"""Values this close to a half are halves: rounding noise of the transform must not decide a code."""

LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
"""ITU-T T.81, Annex K, tables K.1 and K.2."""

LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601 luma, as JFIF takes it over the full range."""


def to_ycbcr(rgb: Tensor) -> Tensor:
    """RGB in 0..255 to Y, Cb, Cr centred on zero (JFIF 1.02); float ``[N, 3, H, W]``."""
    r, g, b = rgb.unbind(1)
    y = LUMA[0] * r + LUMA[1] * g + LUMA[2] * b
    return torch.stack([y - HALF, (b - y) / (2 * (1 - LUMA[2])), (r - y) / (2 * (1 - LUMA[0]))], dim=1)


def to_rgb(ycbcr: Tensor) -> Tensor:
    """The inverse of :func:`to_ycbcr`, not clamped."""
    y, cb, cr = ycbcr.unbind(1)
    y = y + HALF
    r, b = y + 2 * (1 - LUMA[0]) * cr, y + 2 * (1 - LUMA[2]) * cb
    return torch.stack([r, (y - LUMA[0] * r - LUMA[2] * b) / LUMA[1], b], dim=1)


def halve(planes: Tensor) -> Tensor:
    """The mean of every 2 x 2 pixels, ``[N, K, H, W] -> [N, K, H/2, W/2]``."""
    return F.avg_pool2d(planes, 2)


def double(planes: Tensor) -> Tensor:
    """Every pixel four times: what :func:`halve` takes back exactly."""
    return planes.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def dct_matrix(size: int) -> Tensor:
    """The orthonormal DCT-II: row k is the k-th cosine; float64 ``[size, size]``."""
    rows = [
        [sqrt((1 if k == 0 else 2) / size) * cos(pi * (2 * x + 1) * k / (2 * size)) for x in range(size)]
        for k in range(size)
    ]
    return torch.tensor(rows, dtype=torch.float64, device="cpu")


def block_dct(planes: Tensor, matrix: Tensor) -> Tensor:
    """Transforms every block: ``[N, K, h*B, w*B] -> [N, K, h, w, B, B]`` (vertical, horizontal frequency)."""
    n, k, height, width = planes.shape
    block = len(matrix)
    columns = matrix @ planes.reshape(n, k, height // block, block, width)
    blocks = columns.reshape(n, k, height // block, block, width // block, block) @ matrix.T
    return blocks.transpose(3, 4)


def block_idct(coefficients: Tensor, matrix: Tensor) -> Tensor:
    """The inverse of :func:`block_dct`."""
    n, k, rows, columns, block, _ = coefficients.shape
    blocks = coefficients.transpose(3, 4) @ matrix
    planes = matrix.T @ blocks.reshape(n, k, rows, block, columns * block)
    return planes.reshape(n, k, rows * block, columns * block)


def zigzag(block: int) -> list[int]:
    """Raster indices of a block's frequencies in JPEG's order from low to high (ITU-T T.81, figure A.6)."""
    cells = [(u, v) for u in range(block) for v in range(block)]
    cells.sort(key=lambda c: (c[0] + c[1], c[0] if (c[0] + c[1]) % 2 else c[1]))
    return [u * block + v for u, v in cells]


def quantisation_table(quality: int, block: int, chroma: bool) -> Tensor:
    """Steps of the frequencies in zigzag order, float64 ``[block**2]``.

    The tables of T.81 scaled by libjpeg's rule: 5000/q percent below quality 50, 200 - 2q percent from there on, at
    least 1 and at most 255. Blocks of 16 and 32 take for each frequency the step that 8 x 8 blocks have at the same
    cycles per pixel; the paper does not say what it takes.
    """
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = torch.tensor(CHROMA_TABLE if chroma else LUMA_TABLE, dtype=torch.float64, device="cpu")
    scaled = torch.floor((base * percent + 50) / 100).clamp(1, 255)
    wide = scaled.repeat_interleave(block // 8, 0).repeat_interleave(block // 8, 1)
    return wide.flatten()[zigzag(block)]


def round_half_away(values: Tensor) -> Tensor:
    """To the nearest integer, halves away from zero, as libjpeg quantises."""
    return values.sign() * torch.floor(values.abs() + (0.5 + TIE))
