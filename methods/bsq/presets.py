"""BSQ's bits; network and recipe are VQGAN's at every preset. No torch."""

from __future__ import annotations

from methods.autoencoder.equal_terms import choose
from methods.autoencoder.quantised_settings import BitSettings

TABLE = {bits: BitSettings(embed_dim=int(bits), spherical=True) for bits in ("10", "14", "18")}


def settings(preset: str, variant: str | None) -> BitSettings:
    """The settings of the variant, the bits of a cell, at the preset."""
    return choose(TABLE, preset, variant, "10", "BSQ")
