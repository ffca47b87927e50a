"""SSIM as torchmetrics computes it: images continued by reflection, so that windows at the edges count as well.

Some evaluation code gives it images in [-1, 1]. The luminance term is not that of [0, 1] then: a mean near grey is near
zero, and the term small. The range is that of the values, or where none is given that of the two images, the larger of
both differences between the brightest and the darkest value.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from bench.metrics.entries import MetricEntry
from bench.metrics.formulas.ssim import C1, C2, WINDOW, doubles, gaussian_terms, in_pieces, mean_over_places
from bench.results.record import Tolerance

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from bench.pretrained.lpips import Networks

GREY = 127.5
K1, K2 = 0.01, 0.03


def ssim_reflected(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """Float64 ``[N]`` in [-1, 1], of values in [0, 1]; uint8 ``[N, 3, H, W]``, both sides at least 11 pixels."""
    return in_pieces(partial(_mean, zero=0.0), reference, candidate)


def ssim_signed(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """The same of values in [-1, 1], range 2."""
    return in_pieces(partial(_mean, zero=GREY), reference, candidate)


def ssim_signed_own_range(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """The same with the range of each pair of images; NaN where both are of one colour value, which have no range."""
    return in_pieces(_own_range, reference, candidate)


def _mean(one: Tensor, other: Tensor, zero: float, c1: float | Tensor = C1, c2: float | Tensor = C2) -> Tensor:
    terms = partial(_terms, zero=zero, c1=c1, c2=c2)
    return mean_over_places(_reflected(one), _reflected(other), terms)


def _own_range(one: Tensor, other: Tensor) -> Tensor:
    import torch

    low, high = ([end(images.flatten(1), dim=1) for images in (one, other)] for end in (torch.amin, torch.amax))
    extents = [doubles(top) - doubles(bottom) for bottom, top in zip(low, high, strict=True)]
    extent = torch.maximum(*extents)[:, None, None, None]
    found = _mean(one, other, GREY, (K1 * extent) ** 2, (K2 * extent) ** 2)
    return found.where(extent.flatten() > 0, torch.nan)


def _terms(one: Tensor, other: Tensor, zero: float, c1: float | Tensor, c2: float | Tensor) -> tuple[Tensor, Tensor]:
    """Both maps of levels counted from ``zero``."""
    return gaussian_terms(doubles(one) - zero, doubles(other) - zero, c1, c2)


def _reflected(images: Tensor) -> Tensor:
    """The images with five more pixels on every side, mirrored at the outermost ones."""
    rows, columns = (_mirrored(side).to(images.device) for side in images.shape[2:])
    return images[:, :, rows][:, :, :, columns]


def _mirrored(side: int) -> Tensor:
    """The places of a side and of the pixels around it."""
    import torch

    places = torch.arange(-(WINDOW // 2), side + WINDOW // 2).abs()
    return torch.where(places < side, places, 2 * (side - 1) - places)


_CONVENTION: dict[str, str | int | float] = {
    "window": "gaussian 11 sigma 1.5",
    "covariance": "population",
    "channels": "mean",
    "edges": "reflected",
}
_ROW = MetricEntry(
    name="ssim-reflected-truncated",
    title="SSIM (edges reflected, truncated)",
    kind="pair",
    higher_is_better=True,
    unit="",
    decimals=4,
    function=ssim_reflected,
    tolerance=Tolerance(0.002),
    smallest_side=WINDOW,
    named_only=True,
    scores="truncated",
    convention={**_CONVENTION, "values": "reconstruction truncated to 8 bits", "range": 255},
)
_SIGNED = {**_CONVENTION, "values": "unrounded, in [-1, 1]"}

ROWS = (
    _ROW,
    replace(
        _ROW,
        name="ssim-signed-reflected-batches8",
        title="SSIM (in [-1, 1], clamped, edges reflected, means of 8)",
        function=ssim_signed,
        scores="unrounded",
        batch=8,
        convention={**_SIGNED, "range": 2, "clamped": "to [-1, 1]", "average": "of means of 8 images"},
    ),
    replace(
        _ROW,
        name="ssim-signed-reflected-own-range",
        title="SSIM (in [-1, 1], edges reflected, range of each pair)",
        function=ssim_signed_own_range,
        scores="unrounded",
        convention={**_SIGNED, "range": "the larger extent of the two images"},
    ),
)
