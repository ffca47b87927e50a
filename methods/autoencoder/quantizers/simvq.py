"""SimVQ (Zhu et al. 2025): the codebook is frozen vectors behind one trained linear layer, which moves all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from methods.autoencoder.losses import codebook_loss, rotated, straight_through
from methods.autoencoder.quantised_settings import VQSettings
from methods.autoencoder.quantizers.codebook import nearest
from methods.autoencoder.quantizers.quantizer import Quantised

if TYPE_CHECKING:
    from bench.contract import Comm


class ProjectedQuantizer(nn.Module):
    """See :class:`methods.autoencoder.quantizers.quantizer.Quantizer`. There is no k-means start, nor a restart."""

    key, loss_name, pooled = "quantize", "codebook", False

    def __init__(self, settings: VQSettings, seed: int) -> None:
        super().__init__()
        self.settings = settings
        generator = torch.Generator().manual_seed(seed)
        frozen = torch.randn(settings.n_embed, settings.embed_dim, generator=generator) * settings.embed_dim**-0.5
        self.register_buffer("embedding", frozen)
        self.embedding: Tensor
        self.embedding_proj = nn.Linear(settings.embed_dim, settings.embed_dim)

    @property
    def levels(self) -> tuple[int, ...]:
        """One symbol a cell."""
        return (self.settings.n_embed,)

    @property
    def dim(self) -> int:
        """Of the code vectors."""
        return self.settings.embed_dim

    @property
    def codebook(self) -> Tensor:
        """The code vectors, float32 ``[K, D]``."""
        return self.embedding_proj(self.embedding)

    def search(self, z: Tensor) -> Tensor:
        """Latents ``[N, D, G, G]`` to the nearest codes, int64 ``[N, G, G, 1]``."""
        vectors = z.permute(0, 2, 3, 1)
        with torch.no_grad():
            return nearest(vectors.reshape(-1, self.dim), self.codebook).reshape(*vectors.shape[:3], 1)

    def lookup(self, indices: Tensor) -> Tensor:
        """Codes int64 ``[N, G, G, 1]`` to their vectors ``[N, D, G, G]``; no others are projected."""
        return self.embedding_proj(self.embedding[indices[..., 0]]).permute(0, 3, 1, 2).contiguous()

    def forward(self, z: Tensor, step: int, gather: bool) -> Quantised:
        """Quantised latents, the weighted codebook loss, whose gradient trains the layer, and the codes."""
        indices = self.search(z)
        code, settings = self.lookup(indices), self.settings
        loss = settings.codebook_weight * codebook_loss(z, code, settings.beta, settings.legacy)
        passed = rotated(z, code) if settings.rotation else straight_through(z, code)
        return Quantised(passed, loss, indices[..., 0])

    def after_step(self, step: int, comm: Comm) -> None:
        """Nothing: the layer is trained by gradients."""

    def settle(self) -> None:
        """Nothing to start."""
