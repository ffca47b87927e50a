"""What a finished training says of itself; in a file of its own, so that reading a report loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.results.record import STRICT


@dataclass(frozen=True)
class FitReport:
    """What a finished run reports; ``flops`` are training FLOPs (2 per multiply-accumulate) of all steps."""

    __pydantic_config__ = STRICT

    steps: int
    images_seen: int
    batch: int
    micro_batch: int
    seconds: float
    flops: float
    curve: tuple[Mapping[str, float], ...]
    previews: tuple[Mapping[str, float], ...]
