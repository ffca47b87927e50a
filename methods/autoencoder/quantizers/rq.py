"""Residual quantisation (Lee et al. 2022, section 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.autoencoder.losses import straight_through
from methods.autoencoder.quantised_settings import RQSettings
from methods.autoencoder.quantizers.codebook import Codebook, nearest
from methods.autoencoder.quantizers.kmeans import KMeansStart, after_step
from methods.autoencoder.quantizers.quantizer import Quantised

if TYPE_CHECKING:
    from bench.contract import Comm


class ResidualQuantizer(nn.Module):
    """A stack of ``depth`` codes per vector. Key names ``codebooks.i.*``; a shared codebook appears at every depth.

    See :class:`methods.autoencoder.quantizers.quantizer.Quantizer`.
    """

    key, loss_name, pooled = "quantizer", "commitment", True

    def __init__(self, settings: RQSettings, seed: int) -> None:
        super().__init__()
        self.settings = settings
        count, dim = settings.n_embed, settings.embed_dim
        distinct = [
            Codebook(count, dim, settings.moving(), seed, padding=True)
            for _ in range(1 if settings.shared else settings.depth)
        ]
        self.codebooks = nn.ModuleList(distinct * (settings.depth if settings.shared else 1))
        self.start = KMeansStart(settings.kmeans_at, 4 * count, dim, seed) if settings.kmeans_at else None

    @property
    def books(self) -> list[Codebook]:
        """The codebook of each depth."""
        return [book for book in self.codebooks if isinstance(book, Codebook)]

    def distinct(self) -> list[Codebook]:
        """Each codebook once."""
        return self.books[:1] if self.settings.shared else self.books

    @property
    def levels(self) -> tuple[int, ...]:
        """One symbol per depth."""
        return (self.settings.n_embed,) * self.settings.depth

    @property
    def dim(self) -> int:
        """Of the code vectors."""
        return self.settings.embed_dim

    @property
    def codebook(self) -> Tensor:
        """The vectors of the first depth's codebook, shared by all depths as published: float32 ``[K, D]``."""
        return self.books[0].codes

    def search(self, z: Tensor) -> Tensor:
        """Latents ``[N, D, G, G]`` to residual codes, int64 ``[N, G, G, depth]``."""
        return self.residual_codes(z.permute(0, 2, 3, 1))[0]

    def residual_codes(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Residual codes of vectors ``[..., D]`` (eq. 3).

        Returns the codes int64 ``[..., depth]``, the partial sums ``[depth, ..., D]`` of their vectors (eq. 4), and
        the residuals ``[depth, ..., D]`` that each code approximates.
        """
        residual, total = vectors, torch.zeros_like(vectors)
        indices, totals, residuals = [], [], []
        for book in self.books:
            found = book.search(residual)
            code = book(found)
            residuals.append(residual)
            residual, total = residual - code, total + code
            indices.append(found)
            totals.append(total)
        return torch.stack(indices, -1), torch.stack(totals), torch.stack(residuals)

    def lookup(self, indices: Tensor) -> Tensor:
        """Codes int64 ``[N, G, G, depth]`` to the sums of their vectors ``[N, D, G, G]``."""
        total = sum(book(indices[..., depth]) for depth, book in enumerate(self.books))
        assert isinstance(total, Tensor)
        return total.permute(0, 3, 1, 2).contiguous()

    def forward(self, z: Tensor, step: int, gather: bool) -> Quantised:
        """Quantised ``z`` with a straight-through gradient, the weighted commitment, and the codes.

        Before the k-means start the latents pass as they are and there are no codes.
        """
        vectors = z.permute(0, 2, 3, 1)
        if self.start is not None and self.start.passes(vectors, step, gather):
            return Quantised(z, z.new_zeros(()), None)
        with torch.no_grad():
            indices, totals, residuals = self.residual_codes(vectors.detach())
        if gather:
            self.gather(residuals, indices)
        quantised = straight_through(z, totals[-1].permute(0, 3, 1, 2))
        return Quantised(quantised, self.settings.commitment * commitment(vectors, totals), indices)

    def gather(self, residuals: Tensor, indices: Tensor) -> None:
        """Remembers the residuals of every depth for the step's moving averages."""
        for depth, book in enumerate(self.books):
            book.gather(residuals[depth], indices[..., depth])

    def after_step(self, step: int, comm: Comm) -> None:
        """Applies what was gathered; at the last step before quantisation, starts the codebooks."""
        after_step(self.distinct(), self.start, step, comm, self.settle)

    def settle(self) -> None:
        """Starts the codebooks, unless they have started or never had a step to learn from.

        Before their time, for a preview or a training that ends earlier, this leaves what is remembered as it is.
        Each depth's codes are the means of the residuals that the depths before it leave; a shared codebook gives
        every depth an equal part of its codes.
        """
        if self.start is None or not len(vectors := self.start.latest()):
            return
        steps = len(vectors) / float(self.start.per_step)
        residual, means, residuals = vectors, [], []
        for depth in range(self.settings.depth):
            codes = self.start.means(residual, self._share(depth), f"depth {depth}")
            means.append(codes)
            residuals.append(residual)
            residual = residual - codes[nearest(residual, codes)]
        if self.settings.shared:
            self.distinct()[0].start(torch.cat(means), torch.cat(residuals), steps)
            return
        for book, codes, targets in zip(self.distinct(), means, residuals, strict=True):
            book.start(codes, targets, steps)

    def _share(self, depth: int) -> int:
        """How many codes the start gives to a depth."""
        count, depths = self.settings.n_embed, self.settings.depth
        return count // depths + (depth < count % depths) if self.settings.shared else count


def commitment(vectors: Tensor, totals: Tensor) -> Tensor:
    """Mean over the depths of the squared distance to the partial sums (Lee et al. 2022, eq. 8; a mean as released)."""
    return torch.stack([F.mse_loss(vectors, total.detach()) for total in totals]).mean()
