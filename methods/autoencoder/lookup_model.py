"""The network of taming-transformers around a published codebook: LlamaGen's and IBQ's, with their own searches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.autoencoder.autoencoder import Decoder, Encoder
from methods.autoencoder.model import conv1x1
from methods.autoencoder.model import parts as autoencoder_parts
from methods.autoencoder.settings import Architecture, LookupSettings, published_architecture

if TYPE_CHECKING:
    from bench.contract import Build, Part

Search = Callable[[Tensor, Tensor], Tensor]
"""From vectors ``[M, D]`` and code vectors ``[K, D]`` to codes, int64 ``[M]``."""


class CodeVectors(nn.Module):
    """``count`` vectors of ``dim`` values that are loaded, not drawn; key name ``weight``."""

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, dim))

    def forward(self, indices: Tensor) -> Tensor:
        """The vectors of codes, int64 ``[...]`` -> ``[..., D]``."""
        return F.embedding(indices, self.weight)


class Lookup(nn.Module):
    """A codebook under its official key name, ``embedding.weight``.

    ``unit``: its vectors are brought to unit length.
    """

    def __init__(self, count: int, dim: int, unit: bool) -> None:
        super().__init__()
        self.unit = unit
        self.embedding = CodeVectors(count, dim)

    @property
    def book(self) -> Tensor:
        """The code vectors as the decoder gets them, float32 ``[count, dim]``."""
        return F.normalize(self.embedding.weight) if self.unit else self.embedding.weight


class LookupModel(nn.Module):
    """Encoder, 1x1 convolution, codebook, 1x1 convolution, decoder; see :class:`CodeModel`.

    ``unit``: latents and code vectors are brought to unit length, for the search and for the decoder.
    """

    def __init__(self, architecture: Architecture, settings: LookupSettings, search: Search, unit: bool) -> None:
        super().__init__()
        self.architecture, self.search = architecture, search
        self.encoder = Encoder(architecture)
        self.decoder = Decoder(architecture)
        self.quantize = Lookup(settings.n_embed, settings.embed_dim, unit)
        self.quant_conv = conv1x1(architecture.z_channels, settings.embed_dim)
        self.post_quant_conv = conv1x1(settings.embed_dim, architecture.z_channels)

    @property
    def stride(self) -> int:
        """Pixels along one side of a cell."""
        return self.architecture.stride

    @property
    def levels(self) -> tuple[int, ...]:
        """One symbol a cell."""
        return (len(self.quantize.embedding.weight),)

    def latents(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to latents before the codebook, float32 ``[N, D, G, G]``."""
        return self.quant_conv(self.encoder(images)).float()

    def codes(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to codes, int64 ``[N, G, G, 1]``."""
        vectors = self.latents(images).permute(0, 2, 3, 1)
        flat = vectors.reshape(-1, vectors.shape[-1])
        found = self.search(F.normalize(flat) if self.quantize.unit else flat, self.quantize.book)
        return found.reshape(*vectors.shape[:3], 1)

    def images(self, codes: Tensor) -> Tensor:
        """Codes to images, nominally in [-1, 1]."""
        latents = F.embedding(codes[..., 0], self.quantize.book).permute(0, 3, 1, 2).contiguous()
        return self.decoder(self.post_quant_conv(latents))


def parts(settings: LookupSettings, build: Build) -> Sequence[Part]:
    """Bare encoder and decoder, as the published costs count them."""
    architecture = published_architecture(settings, build.size)
    return autoencoder_parts(architecture, settings.n_embed * settings.embed_dim)
