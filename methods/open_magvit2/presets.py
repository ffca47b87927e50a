"""The published networks of Open-MAGVIT2, the same at every preset. No torch.

A variant is named by its downsampling factor; the number of bits is that of its codes where there are two.
"""

from __future__ import annotations

from dataclasses import replace

from methods.autoencoder.magvit_settings import MagvitSettings
from methods.autoencoder.recipes import choose_published

F16 = MagvitSettings()
"""``configs/Open-MAGVIT2/gpu/imagenet_lfqgan_256_L.yaml`` of the official code."""

TABLE = {"f16": F16, "f8": replace(F16, ch_mult=(1, 2, 2, 4)), "f16-14bit": replace(F16, z_channels=14)}
VARIANTS = tuple(TABLE)


def settings(preset: str, variant: str | None) -> MagvitSettings:
    """The settings of the variant."""
    return choose_published(TABLE, variant, "Open-MAGVIT2")
