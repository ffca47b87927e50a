"""The published networks of TiTok, the same at every preset. No torch.

A variant is named by the sizes of its encoder and decoder (one letter where they are equal) and its number of tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.contract import RECON_FIELD
from methods.autoencoder.recipes import choose_published


@dataclass(frozen=True)
class TiTokSettings:
    """Widths of a tokenizer without a grid.

    - ``width`` and ``layers`` of the encoder, ``decoder_width`` and ``decoder_layers`` of the decoder; ``patch``:
      pixels along one side of a patch.
    - ``tokens`` of ``token_size`` values each; ``n_embed``: vectors of the codebook, 0: there is none, and a token is
      drawn from a normal distribution.
    - ``proxy_codes`` vectors of ``proxy_size`` values, whose mean by the decoder's probabilities enters the decoder of
      MaskGIT, ``proxy_ch`` wide at its finest level; 0 codes: the transformer gives pixels. Models with them are the
      first ones, whose latents and code vectors have unit length.
    - ``ema``: the moving averages of a file that has them.
    """

    width: int = 1024
    layers: int = 24
    decoder_width: int = 1024
    decoder_layers: int = 24
    patch: int = 16
    tokens: int = 32
    token_size: int = 12
    n_embed: int = 4096
    proxy_codes: int = 1024
    proxy_size: int = 256
    proxy_ch: int = 128
    ema: bool = field(default=False, metadata=RECON_FIELD)

    @property
    def proxy(self) -> bool:
        """Whether it is one of the first models."""
        return self.proxy_codes > 0


LARGE = TiTokSettings()
"""``configs/infer/TiTok/titok_l32.yaml`` of the official code."""
BASE = replace(LARGE, width=768, layers=12, decoder_width=768, decoder_layers=12, tokens=64)
SMALL = replace(LARGE, width=512, layers=8, decoder_width=512, decoder_layers=8, tokens=128)
ONE_STAGE = replace(LARGE, token_size=64, n_embed=8192, proxy_codes=0, proxy_size=0, proxy_ch=0)
"""Trained at once, without a proxy: ``titok_*_vq8k.yaml``, and of real values ``titok_*_vae_c16.yaml``."""
BASE_LARGE = replace(ONE_STAGE, width=768, layers=12, tokens=64)
REAL = replace(ONE_STAGE, token_size=16, n_embed=0)

TABLE = {
    "l-32": LARGE,
    "b-64": BASE,
    "s-128": SMALL,
    "bl-64": BASE_LARGE,
    "bl-128": replace(BASE_LARGE, tokens=128),
    "sl-256": replace(ONE_STAGE, width=512, layers=8, tokens=256),
    "ll-32-vae": REAL,
    "bl-64-vae": replace(REAL, width=768, layers=12, tokens=64),
    "bl-128-vae": replace(REAL, width=768, layers=12, tokens=128),
}


def settings(preset: str, variant: str | None) -> TiTokSettings:
    """The settings of the variant."""
    return choose_published(TABLE, variant, "TiTok")
