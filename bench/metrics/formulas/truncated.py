"""PSNR of 8-bit values that were cut off, not rounded, in the original as well as in the reconstruction."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from bench.metrics.entries import MetricEntry
from bench.metrics.formulas.psnr import psnr
from bench.results.record import Tolerance

if TYPE_CHECKING:
    from torch import Tensor

    from bench.pretrained.lpips import Networks


def truncated(images: Tensor) -> Tensor:
    """The 8-bit images after a script has taken them to [-1, 1] and back in float32 without rounding; uint8 both.

    95 of the 256 levels come back one lower.
    """
    import torch

    return torch.from_numpy(_levels()).to(images.device)[images.int()]


@cache
def _levels() -> np.ndarray:
    """What each of the 256 levels becomes, uint8 ``[256]``."""
    signed = (np.arange(256) / 127.5 - 1).astype(np.float32)
    return ((signed + 1) / 2 * 255).astype(np.uint8)


def psnr_truncated(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """PSNR of both images as :func:`truncated`, in dB, float64 ``[N]``, at most 100; uint8 ``[N, 3, H, W]``."""
    return psnr(truncated(reference), truncated(candidate), tools)


ROWS = (
    MetricEntry(
        name="psnr-truncated-batches4",
        title="PSNR (both truncated, means of 4)",
        kind="pair",
        higher_is_better=True,
        unit="dB",
        decimals=2,
        function=psnr_truncated,
        tolerance=Tolerance(0.05),
        named_only=True,
        scores="truncated",
        batch=4,
        convention={
            "range": 255,
            "cap": 100,
            "values": "both images truncated to 8 bits",
            "average": "of means of 4 images",
        },
    ),
)
