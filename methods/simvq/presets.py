"""The published networks of SimVQ, the same at every preset but for the codebook. No torch.

A variant is named by the size of its codebook.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from methods.autoencoder.magvit_settings import MagvitSettings
from methods.autoencoder.recipes import choose_published


@dataclass(frozen=True)
class SimVQSettings(MagvitSettings):
    """``n_embed`` frozen vectors; a linear layer makes the codebook of them."""

    n_embed: int = 65536


NETWORK = SimVQSettings(ch_mult=(1, 2, 2, 4), num_res_blocks=2, z_channels=128, adaptive=False)
"""``configs/imagenet_simvq_128_B.yaml`` of the official code."""

TABLE = {str(count): replace(NETWORK, n_embed=count) for count in (65536, 1024, 8192, 262144)}


def settings(preset: str, variant: str | None) -> SimVQSettings:
    """The settings of the variant, a number of codes."""
    return choose_published(TABLE, variant, "SimVQ")
