"""The published network of VA-VAE, the same at every preset. No torch."""

from __future__ import annotations

from methods.autoencoder.recipes import choose_published
from methods.autoencoder.settings import NetworkSettings

TABLE = {"f16d32": NetworkSettings(z_channels=32, embed_dim=32)}
"""Downsampling by 16, 32 channels: ``AutoencoderKL(embed_dim=32, ch_mult=(1, 1, 2, 2, 4))`` of the official code."""


def settings(preset: str, variant: str | None) -> NetworkSettings:
    """The settings of the variant."""
    return choose_published(TABLE, variant, "VA-VAE")
