"""VAR's tokenizer (Tian et al. 2024, algorithms 1 and 2): codes of scales, each of the residual of those before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.autoencoder.autoencoder import Decoder, Encoder
from methods.autoencoder.lookup_model import CodeVectors
from methods.autoencoder.model import check_built_for
from methods.autoencoder.model import parts as autoencoder_parts
from methods.autoencoder.quantizers.codebook import nearest
from methods.autoencoder.settings import published_architecture
from methods.var.presets import CONVOLUTIONS, scales

if TYPE_CHECKING:
    from bench.contract import Build, Part
    from methods.autoencoder.settings import Architecture, LookupSettings

SHARED = 4
"""Convolutions that all scales share."""


def conv3x3(channels: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size."""
    return nn.Conv2d(channels, channels, 3, padding=1)


class Shared(nn.Module):
    """The convolutions after enlarging, under their official key names, ``qresi_ls.i``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.qresi_ls = nn.ModuleList(conv3x3(channels) for _ in range(SHARED))

    def forward(self, x: Tensor, which: int) -> Tensor:
        """The mean of ``x`` ``[N, C, G, G]`` and one of its convolutions."""
        return 0.5 * x + 0.5 * self.qresi_ls[which](x)


class MultiScale(nn.Module):
    """One codebook for the residuals at all ``sides``, from 1 x 1 to the whole latent."""

    def __init__(self, count: int, dim: int, sides: tuple[int, ...]) -> None:
        super().__init__()
        self.sides = sides
        self.embedding = CodeVectors(count, dim)
        self.quant_resi = Shared(dim)

    def search(self, latents: Tensor) -> Tensor:
        """Latents ``[N, D, G, G]`` to codes, int64 ``[N, L]``, from coarse to fine."""
        residual, found = latents.float(), []
        for scale, side in enumerate(self.sides):
            # Averaging to the latents' own side changes nothing, so the last scale needs no case of its own.
            vectors = F.adaptive_avg_pool2d(residual, side).permute(0, 2, 3, 1)
            codes = nearest(vectors.reshape(-1, vectors.shape[-1]), self.embedding.weight).reshape(len(latents), -1)
            residual = residual - self.enlarged(codes, scale)
            found.append(codes)
        return torch.cat(found, 1)

    def forward(self, codes: Tensor) -> Tensor:
        """Codes of all scales, int64 ``[N, L]``, to latents ``[N, D, G, G]``: the sum of the enlarged scales."""
        pieces = codes.split([side * side for side in self.sides], dim=1)
        latents = self.enlarged(pieces[0], 0)
        for scale, piece in enumerate(pieces[1:], 1):
            latents = latents + self.enlarged(piece, scale)
        return latents

    def enlarged(self, codes: Tensor, scale: int) -> Tensor:
        """The vectors of one scale's codes, int64 ``[N, side^2]``, at the size of the latents."""
        side, grid = self.sides[scale], self.sides[-1]
        vectors = self.embedding(codes).transpose(1, 2).reshape(len(codes), -1, side, side)
        if side != grid:
            vectors = F.interpolate(vectors, size=(grid, grid), mode="bicubic")
        return self.quant_resi(vectors, CONVOLUTIONS[len(self.sides)][scale])


class VARModel(nn.Module):
    """Encoder, 3x3 convolution, scales, 3x3 convolution, decoder; a list of codes and no grid."""

    def __init__(self, architecture: Architecture, settings: LookupSettings) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = Encoder(architecture)
        self.decoder = Decoder(architecture)
        self.quantize = MultiScale(settings.n_embed, settings.embed_dim, scales(architecture.grid))
        self.quant_conv = conv3x3(settings.embed_dim)
        self.post_quant_conv = conv3x3(settings.embed_dim)

    @property
    def stride(self) -> int:
        """Pixels along one side of a latent."""
        return self.architecture.stride

    @property
    def levels(self) -> tuple[int, ...]:
        """One symbol an entry of the list."""
        return (len(self.quantize.embedding.weight),)

    def latents(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to latents before quantisation, float32 ``[N, D, G, G]``."""
        check_built_for(images, (self.architecture.resolution, self.architecture.resolution))
        return self.quant_conv(self.encoder(images)).float()

    def codes(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to codes, int64 ``[N, L, 1]``, coarse to fine."""
        return self.quantize.search(self.latents(images))[..., None]

    def images(self, codes: Tensor) -> Tensor:
        """Codes to images, nominally in [-1, 1]."""
        return self.decoder(self.post_quant_conv(self.quantize(codes[..., 0])))


def parts(settings: LookupSettings, build: Build) -> Sequence[Part]:
    """Bare encoder and decoder, as the published costs count them; the codebook without the shared convolutions."""
    architecture = published_architecture(settings, build.size)
    scales(architecture.grid)
    return autoencoder_parts(architecture, settings.n_embed * settings.embed_dim)
