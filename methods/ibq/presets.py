"""The published networks of IBQ, the same at every preset but for the codebook. No torch.

A variant is named by the size of its codebook.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.contract import RECON_FIELD
from methods.autoencoder.recipes import choose_published
from methods.autoencoder.settings import LookupSettings


@dataclass(frozen=True)
class IBQSettings(LookupSettings):
    """A code is the vector with the largest inner product. Published numbers are those of the averages (``ema``)."""

    ema: bool = field(default=True, metadata=RECON_FIELD)


NETWORK = IBQSettings(num_res_blocks=4)
"""``configs/IBQ/gpu/imagenet_ibqgan_16384.yaml`` of the official code."""

TABLE = {str(count): replace(NETWORK, n_embed=count) for count in (16384, 1024, 8192, 262144)}


def settings(preset: str, variant: str | None) -> IBQSettings:
    """The settings of the variant, a number of codes."""
    return choose_published(TABLE, variant, "IBQ")
