"""DCT's settings by preset. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.errors import UsageError

BLOCKS = (8, 16, 32)


@dataclass(frozen=True)
class Settings:
    """The tokenizer.

    - ``q``: quality 1..100 of the quantisation tables; ``block``: side of a block in pixels, 8, 16 or 32.
    - ``order``: how the planes follow each other. "interleaved": all planes of a frequency, then the next frequency
      (generation, super-resolution); "luma-first": all of Y, then Cb, then Cr (colourisation).
    """

    q: int = 75
    block: int = 8
    order: Literal["interleaved", "luma-first"] = "interleaved"

    def __post_init__(self) -> None:
        if not 1 <= self.q <= 100:
            raise UsageError(f"dct:q={self.q} is outside 1..100.")
        if self.block not in BLOCKS:
            raise UsageError(f"dct:block={self.block} is none of {', '.join(map(str, BLOCKS))}.")


QUALITY = {"smoke": 25, "small": 25, "medium": 75, "paper": 75}
"""``paper``: LSUN's (block 8, quality 75); the smaller presets keep the sequences short enough to learn."""


def settings(preset: str, variant: str | None) -> Settings:
    """The settings of a preset."""
    return Settings(q=QUALITY[preset])
