"""The published networks of BSQ-ViT, the same at every preset but for the bits of a cell. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.contract import RECON_FIELD
from methods.autoencoder.recipes import choose_published


@dataclass(frozen=True)
class BSQSettings:
    """Widths of the transformers and the bits of a cell.

    - ``width`` and ``layers`` of encoder and decoder, ``hidden``: of the decoder's last layer but one.
    - ``patch``: pixels along one side of a patch, which is a cell of ``bits`` bits.
    - ``ema``: the moving averages and not the weights of the last step; the official code prefers them where there are
      some, and both are published.
    """

    width: int = 768
    layers: int = 12
    hidden: int = 3072
    patch: int = 8
    bits: int = 18
    ema: bool = field(default=True, metadata=RECON_FIELD)


NETWORK = BSQSettings()
"""``configs/tokenizer/imagenet_256x256_bsqvit_b18g18_stylegan_f8_fp16.yaml`` of the official code."""

TABLE = {"18bit": NETWORK, "36bit": replace(NETWORK, bits=36)}


def settings(preset: str, variant: str | None) -> BSQSettings:
    """The settings of the variant, a number of bits."""
    return choose_published(TABLE, variant, "BSQ-ViT")
