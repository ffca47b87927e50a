"""The published networks of MaskGIT's tokenizer, VQGAN+ and MaskBit, the same at every preset. No torch."""

from __future__ import annotations

from dataclasses import replace

from methods.autoencoder.maskgit_settings import MaskGITSettings
from methods.autoencoder.recipes import choose_published

MASKGIT = MaskGITSettings()
PLUS = replace(MASKGIT, strided=True)
"""``configs/tokenizer/*.yaml`` of MaskBit's code; of bits, its evaluation takes ``2**token_size`` as the vocabulary."""

TABLE = {
    "maskgit": MASKGIT,
    "vqgan-plus-10bit": PLUS,
    "vqgan-plus-12bit": replace(PLUS, z_channels=64, n_embed=4096),
    **{f"maskbit-{bits}bit": replace(PLUS, z_channels=bits, n_embed=0) for bits in (10, 12, 14, 16, 18)},
}


def settings(preset: str, variant: str | None) -> MaskGITSettings:
    """The settings of the variant."""
    return choose_published(TABLE, variant, "MaskGIT-VQ")
