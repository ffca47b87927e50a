"""PSNR, SSIM and LPIPS of what a network gives, unrounded, or truncated to 8 bits: the same formulas, other values.

On images of 8 bits that are exact, as a codec's are, these numbers are those of the formulas' own rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from bench.metrics.entries import MetricEntry
from bench.metrics.formulas import lpips, psnr, ssim

_VALUES = {"unrounded": "unrounded", "truncated": "reconstruction truncated to 8 bits"}
_FORMULAS: dict[str, MetricEntry] = {row.name: row for row in (*psnr.ROWS, *ssim.ROWS, *lpips.ROWS)}


def _row(formula: str, scores: Literal["truncated", "unrounded"], batch: int = 1) -> MetricEntry:
    """The formula's row for other values, averaged over batches where ``batch`` is more than 1."""
    own = _FORMULAS[formula]
    name, title = f"{formula}-{scores}", f"{own.title} ({scores})"
    average: dict[str, str] = {}
    if batch > 1:
        name, title = f"{name}-batches{batch}", f"{own.title} ({scores}, means of {batch})"
        average = {"average": f"of means of {batch} images"}
    convention = {**own.convention, "values": _VALUES[scores], **average}
    return replace(
        own, name=name, title=title, place=1000, named_only=True, scores=scores, batch=batch, convention=convention
    )


ROWS = (
    _row("psnr", "unrounded"),
    _row("ssim", "unrounded"),
    _row("lpips-alex", "unrounded"),
    _row("lpips-vgg", "unrounded"),
    _row("lpips-vgg", "unrounded", batch=8),
    _row("psnr", "truncated"),
    _row("lpips-vgg", "truncated"),
)
