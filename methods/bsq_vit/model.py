"""Binary spherical quantisation between two transformers (Zhao et al. 2024, equations 3 to 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contract import Part
from bench.core.images import square
from bench.errors import UsageError
from methods.autoencoder.model import check_built_for, parameters
from methods.bsq_vit.network import Decoder, Encoder
from methods.bsq_vit.presets import BSQSettings

if TYPE_CHECKING:
    from bench.contract import Build


def grid_of(settings: BSQSettings, size: tuple[int, int]) -> int:
    """Patches along one side of images of that (height, width).

    Raises :class:`UsageError` where they are not square or not whole.
    """
    side = square(size, "BSQ-ViT")
    if side % settings.patch:
        raise UsageError(f"BSQ-ViT takes images of whole patches of {settings.patch} pixels, not {side}; resize them.")
    return side // settings.patch


class BSQModel(nn.Module):
    """Encoder, signs of a unit vector, decoder; see :class:`methods.autoencoder.code_tokenizer.CodeModel`."""

    def __init__(self, settings: BSQSettings, size: tuple[int, int]) -> None:
        super().__init__()
        self.settings, self.size = settings, size
        self.grid = grid_of(settings, size)
        self.encoder = Encoder(settings, self.grid**2)
        self.decoder = Decoder(settings, self.grid**2)
        self.quant_embed = nn.Linear(settings.width, settings.bits)
        self.post_quant_embed = nn.Linear(settings.bits, settings.width)

    @property
    def stride(self) -> int:
        """Pixels along one side of a cell."""
        return self.settings.patch

    @property
    def levels(self) -> tuple[int, ...]:
        """One bit a channel; channel 0 is the most significant one of the official index."""
        return (2,) * self.settings.bits

    def latents(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to vectors of unit length, float32 ``[N, L, bits]``."""
        check_built_for(images, self.size)
        return F.normalize(self.quant_embed(self.encoder(images)).float(), dim=-1)

    def codes(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to bits, int64 ``[N, G, G, bits]``: 1 where a latent is above 0."""
        return (self.latents(images) > 0).long().reshape(len(images), self.grid, self.grid, -1)

    def images(self, codes: Tensor) -> Tensor:
        """Bits to images, nominally in [-1, 1]; the decoder gets vectors of unit length."""
        signs = (2.0 * codes - 1).flatten(1, 2) / self.settings.bits**0.5
        return self.decoder(self.post_quant_embed(signs))


def parts(settings: BSQSettings, build: Build) -> Sequence[Part]:
    """Bare encoder and decoder on the meta device, without the linear layers around the bits; there is no codebook."""
    cells = grid_of(settings, build.size) ** 2
    with torch.device("meta"):
        encoder, decoder = Encoder(settings, cells).eval(), Decoder(settings, cells).eval()
        images, features = torch.empty(1, 3, *build.size), torch.empty(1, cells, settings.width)
    return (
        Part("encoder", "encoder", lambda: encoder(images), {"network": parameters(encoder)}),
        Part("decoder", "decoder", lambda: decoder(features), {"network": parameters(decoder), "codebook": 0}),
    )
