"""MaskGIT's network around a codebook (MaskGIT, VQGAN+) or a bit a channel (MaskBit)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench.contract import Part
from methods.autoencoder.lookup_model import Lookup
from methods.autoencoder.maskgit_network import Decoder, Encoder
from methods.autoencoder.maskgit_settings import MaskGITSettings
from methods.autoencoder.model import parameters
from methods.autoencoder.quantizers.codebook import nearest

if TYPE_CHECKING:
    from bench.contract import Build


class MaskGITModel(nn.Module):
    """Encoder, codebook or signs, decoder; see :class:`methods.autoencoder.code_tokenizer.CodeModel`.

    The network's own images are in [0, 1].
    """

    def __init__(self, settings: MaskGITSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = Encoder(settings)
        self.decoder = Decoder(settings)
        self.quantize = Lookup(settings.n_embed, settings.z_channels, unit=False) if settings.n_embed else None

    @property
    def stride(self) -> int:
        """Pixels along one side of a cell."""
        return self.settings.stride

    @property
    def levels(self) -> tuple[int, ...]:
        """One symbol a cell, or one bit a channel: channel 0 is the least significant one of the official index."""
        return (2,) * self.settings.z_channels if self.quantize is None else (self.settings.n_embed,)

    def codes(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to codes, int64 ``[N, h, w, len(levels)]``: the nearest vector, or 1 where above 0."""
        vectors = self.encoder(images / 2 + 0.5).float().permute(0, 2, 3, 1)
        if self.quantize is None:
            return (vectors > 0).long()
        flat = vectors.reshape(-1, vectors.shape[-1])
        return nearest(flat, self.quantize.book).reshape(*vectors.shape[:3], 1)

    def images(self, codes: Tensor) -> Tensor:
        """Codes to images, nominally in [-1, 1]; of bits, the decoder gets -1 and 1."""
        vectors = 2.0 * codes - 1 if self.quantize is None else self.quantize.embedding(codes[..., 0])
        return 2 * self.decoder(vectors.permute(0, 3, 1, 2).contiguous()) - 1


def parts(settings: MaskGITSettings, build: Build) -> Sequence[Part]:
    """Bare encoder and decoder on the meta device."""
    height, width = (side // settings.stride for side in build.size)
    with torch.device("meta"):
        encoder, decoder = Encoder(settings).eval(), Decoder(settings).eval()
        images, cells = torch.empty(1, 3, *build.size), torch.empty(1, settings.z_channels, height, width)
    held = {"network": parameters(decoder), "codebook": settings.n_embed * settings.z_channels}
    return (
        Part("encoder", "encoder", lambda: encoder(images), {"network": parameters(encoder)}),
        Part("decoder", "decoder", lambda: decoder(cells), held),
    )
