"""SSIM with a uniform window of 7 x 7 and sample covariance, scikit-image's default, as some evaluation code calls it.

The range is that of the images, or 2 for images in [0, 1]: that makes the constants four times too large and the number
too high. Published numbers of several tokenizers are of this kind, so it has a name that nobody takes for SSIM.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from bench.metrics.entries import MetricEntry
from bench.metrics.formulas.ssim import C1, C2, doubles, in_pieces, maps, mean_over_places
from bench.metrics.formulas.truncated import truncated
from bench.results.record import Tolerance

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from bench.pretrained.lpips import Networks

WINDOW = 7
CORRECTION = WINDOW**2 / (WINDOW**2 - 1)
"""Of a covariance: 49 values of a window, one of which the mean takes."""


def ssim_uniform7(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """Float64 ``[N]`` in [-1, 1], range 255; uint8 ``[N, 3, H, W]``, both sides at least 7 pixels."""
    return in_pieces(partial(_ssim, range_over=1), reference, candidate)


def ssim_uniform7_range2(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """The same with twice the true range: the range 2 for images in [0, 1]."""
    return in_pieces(partial(_ssim, range_over=2), reference, candidate)


def ssim_uniform7_truncated(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """The same as :func:`ssim_uniform7` of both images as :func:`bench.metrics.formulas.truncated.truncated`."""
    return ssim_uniform7(truncated(reference), truncated(candidate), tools)


def _ssim(one: Tensor, other: Tensor, range_over: int) -> Tensor:
    return mean_over_places(one, other, partial(_terms, scale=range_over**2), WINDOW - 1)


def _terms(one: Tensor, other: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Both maps, ``[N, 3, H - 6, W - 6]``; ``scale`` multiplies the constants."""
    from torch.nn.functional import avg_pool2d

    x, y = doubles(one), doubles(other)
    mean_x, mean_y, squares, products = (avg_pool2d(plane, WINDOW, stride=1) for plane in (x, y, x * x + y * y, x * y))
    return maps(mean_x, mean_y, squares, products, C1 * scale, C2 * scale, CORRECTION)


_CONVENTION: dict[str, str | int | float] = {
    "window": "uniform 7",
    "covariance": "sample",
    "channels": "mean",
    "range": 255,
}
_ROW = MetricEntry(
    name="ssim-uniform7",
    title="SSIM (uniform 7 x 7)",
    kind="pair",
    higher_is_better=True,
    unit="",
    decimals=4,
    function=ssim_uniform7,
    tolerance=Tolerance(0.002),
    smallest_side=WINDOW,
    named_only=True,
    convention=_CONVENTION,
)

ROWS = (
    _ROW,
    replace(
        _ROW,
        name="ssim-uniform7-range2",
        title="SSIM (uniform 7 x 7, twice the true range)",
        function=ssim_uniform7_range2,
        convention={**_CONVENTION, "range": "2 for images in [0, 1]"},
    ),
    replace(
        _ROW,
        name="ssim-uniform7-truncated-batches4",
        title="SSIM (uniform 7 x 7, both truncated, means of 4)",
        function=ssim_uniform7_truncated,
        scores="truncated",
        batch=4,
        convention={**_CONVENTION, "values": "both images truncated to 8 bits", "average": "of means of 4 images"},
    ),
)
