"""FSQ's levels by bits; network and recipe are VQGAN's at every preset. No torch."""

from __future__ import annotations

from methods.autoencoder.equal_terms import choose
from methods.autoencoder.quantised_settings import FSQSettings

LEVELS = {"10": (8, 5, 5, 5), "14": (8, 8, 8, 6, 5), "16": (8, 8, 8, 5, 5, 5)}
"""Table 1 of the paper, for about 2^10, 2^14 and 2^16 codes: 1,000, 15,360 and 64,000."""

TABLE = {bits: FSQSettings(levels=levels, embed_dim=len(levels)) for bits, levels in LEVELS.items()}


def settings(preset: str, variant: str | None) -> FSQSettings:
    """The settings of the variant, the bits of a cell, at the preset."""
    return choose(TABLE, preset, variant, "10", "FSQ")
