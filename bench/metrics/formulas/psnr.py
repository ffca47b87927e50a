"""Peak signal-to-noise ratio on uint8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.metrics.entries import MetricEntry
from bench.results.record import Tolerance

if TYPE_CHECKING:
    from torch import Tensor

    from bench.pretrained.lpips import Networks

PIECE = 1 << 22
"""Pixels that are worked on at once."""
CAP = 100.0
"""Decibels given to identical images, whose ratio is infinite."""


def psnr(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """``10 log10(255^2 / MSE)`` in dB, float64 ``[N]``, over all channels of an image; at most ``CAP``.

    uint8 ``[N, 3, H, W]``. The squared differences are summed in integers, so the value is exact.
    """
    import torch

    rows = max(PIECE // (len(reference) * reference.shape[3]), 1)
    total = torch.zeros(len(reference), dtype=torch.int64, device=reference.device)
    for one, other in zip(reference.split(rows, dim=2), candidate.split(rows, dim=2), strict=True):
        total += (one.to(torch.int32) - other.to(torch.int32)).square().sum(dim=(1, 2, 3), dtype=torch.int64)
    error = total.cpu().numpy() / np.prod(reference.shape[1:])
    with np.errstate(divide="ignore"):
        decibels: np.ndarray = np.minimum(10 * np.log10(255.0**2 / error), CAP)
    return decibels


ROWS = (
    MetricEntry(
        name="psnr",
        title="PSNR",
        kind="pair",
        higher_is_better=True,
        unit="dB",
        decimals=2,
        place=10,
        function=psnr,
        tolerance=Tolerance(0.05),
        convention={"range": 255, "cap": 100, "average": "per image"},
    ),
)
