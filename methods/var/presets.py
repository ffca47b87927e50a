"""The published network of VAR's tokenizer, and its scales. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import UsageError
from methods.autoencoder.recipes import choose_published
from methods.autoencoder.settings import LookupSettings


@dataclass(frozen=True)
class VARSettings(LookupSettings):
    """Codes of several scales, each of the residual of those before; all scales share one codebook."""


TABLE = {"f16": VARSettings(ch=160, z_channels=32, embed_dim=32, n_embed=4096)}
"""``VQVAE(vocab_size=4096, z_channels=32, ch=160)`` of the official code."""

SCALES = {
    16: (1, 2, 3, 4, 5, 6, 8, 10, 13, 16),
    32: (1, 2, 3, 4, 6, 9, 13, 18, 24, 32),
    64: (1, 2, 3, 4, 5, 7, 9, 12, 16, 21, 27, 36, 48, 64),
}
"""Sides of the scales, in codes, by the side of the grid: those of the official models at 256, 512 and 1024 px."""

CONVOLUTIONS = {
    2: (0, 3),
    3: (0, 2, 3),
    4: (0, 1, 2, 3),
    5: (0, 1, 2, 2, 3),
    6: (0, 0, 1, 2, 3, 3),
    7: (0, 0, 1, 2, 2, 3, 3),
    8: (0, 0, 1, 1, 2, 2, 3, 3),
    9: (0, 0, 1, 1, 2, 2, 2, 3, 3),
    10: (0, 0, 1, 1, 1, 2, 2, 3, 3, 3),
    14: (0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3),
}
"""Which of four convolutions a scale has, by the number of scales.

The official code takes the tick of ``linspace(1/12, 11/12, 4)`` nearest to i / (scales - 1). Where two are equally near
(i = 2 and 7 of ten scales, the middle one of an odd number) rounding decides: hence a table.
"""


def scales(grid: int) -> tuple[int, ...]:
    """The sides of the scales of a ``grid`` x ``grid`` latent; below 16 the first published ones, and the grid itself.

    Raises :class:`UsageError` for grids that no published model has.
    """
    if grid in SCALES:
        return SCALES[grid]
    if not 2 <= grid < 16:
        raise UsageError(
            f"VAR's tokenizer has no scales for images of {16 * grid} pixels; choose 256, 512 or 1024, or a multiple "
            "of 16 from 32 to 240."
        )
    return (*(side for side in SCALES[16] if side < grid), grid)


def settings(preset: str, variant: str | None) -> VARSettings:
    """The settings of the one published network."""
    return choose_published(TABLE, variant, "VAR")
