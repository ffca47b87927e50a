"""SimVQ (Zhu et al. 2024): the nearest of frozen vectors behind one linear layer; network of Open-MAGVIT2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from methods.autoencoder import magvit_checkpoint
from methods.autoencoder.lookup_model import CodeVectors
from methods.autoencoder.magvit_network import Decoder, Encoder
from methods.autoencoder.quantizers.codebook import nearest
from methods.simvq.presets import SimVQSettings

if TYPE_CHECKING:
    from bench.contract import Build, Part


class ProjectedVectors(nn.Module):
    """Frozen vectors and the layer, with bias, that makes code vectors of them."""

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.embedding = CodeVectors(count, dim)
        self.embedding_proj = nn.Linear(dim, dim)

    @property
    def book(self) -> Tensor:
        """All code vectors, float32 ``[count, dim]``."""
        return self.embedding_proj(self.embedding.weight)

    def forward(self, indices: Tensor) -> Tensor:
        """The code vectors of codes, int64 ``[...]`` -> ``[..., dim]``; no others are projected."""
        return self.embedding_proj(self.embedding(indices))


class SimVQModel(nn.Module):
    """Encoder, codebook, decoder; see :class:`methods.autoencoder.code_tokenizer.CodeModel`."""

    def __init__(self, settings: SimVQSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = Encoder(settings)
        self.decoder = Decoder(settings)
        self.quantize = ProjectedVectors(settings.n_embed, settings.z_channels)

    @property
    def stride(self) -> int:
        """Pixels along one side of a cell."""
        return self.settings.stride

    @property
    def levels(self) -> tuple[int, ...]:
        """One symbol a cell."""
        return (self.settings.n_embed,)

    def codes(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to the nearest codes, int64 ``[N, G, G, 1]``."""
        vectors = self.encoder(images).float().permute(0, 2, 3, 1)
        flat = vectors.reshape(-1, vectors.shape[-1])
        return nearest(flat, self.quantize.book).reshape(*vectors.shape[:3], 1)

    def images(self, codes: Tensor) -> Tensor:
        """Codes to images, nominally in [-1, 1]."""
        vectors = self.quantize(codes[..., 0])
        return self.decoder(vectors.permute(0, 3, 1, 2).contiguous())


def parts(settings: SimVQSettings, build: Build) -> Sequence[Part]:
    """Encoder and decoder; the codebook is the frozen vectors and their layer."""
    channels = settings.z_channels
    return magvit_checkpoint.parts(settings, build, settings.n_embed * channels + channels * (channels + 1))
