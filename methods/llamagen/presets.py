"""The published networks of LlamaGen's tokenizers, the same at every preset. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from methods.autoencoder.recipes import choose_published
from methods.autoencoder.settings import LookupSettings


@dataclass(frozen=True)
class LlamaGenSettings(LookupSettings):
    """Codes are compared, and decoded, as vectors of unit length."""


VQ16 = LlamaGenSettings(embed_dim=8, n_embed=16384)
"""``VQ_16`` of the official code, which downsamples by 16; attention on the last level whatever the images' size."""

TABLE = {"vq-16": VQ16, "vq-8": replace(VQ16, ch_mult=(1, 2, 2, 4), attn_resolutions=(32,))}


def settings(preset: str, variant: str | None) -> LlamaGenSettings:
    """The settings of the variant, a downsampling factor."""
    return choose_published(TABLE, variant, "LlamaGen")
