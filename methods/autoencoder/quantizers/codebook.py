"""A codebook: nearest-neighbour search, moving-average update, restart of unused codes.

Statistics are gathered during the loss and applied once per step, summed over micro-batches and processes, so
that a step's batch may be cut in any way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.core import seeding
from methods.autoencoder.quantised_settings import MovingAverage

if TYPE_CHECKING:
    from bench.contract import Comm

ROWS = 2048
"""Vectors compared with the codebook at a time, which bounds the memory of the search."""
VALUES = 1 << 26
"""Their distances to all codes at most; a codebook of 2^18 vectors is met by 256 of them at a time."""


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """The nearest code by Euclidean distance: ``vectors`` ``[M, D]``, ``codebook`` ``[K, D]`` -> int64 ``[M]``."""
    book = codebook.float()
    norms = book.square().sum(1)
    pieces = [torch.addmm(norms, piece.float(), book.t(), alpha=-2).argmin(1) for piece in pieces_of(vectors, book)]
    return torch.cat(pieces)


def most_similar(vectors: Tensor, codebook: Tensor) -> Tensor:
    """The code with the largest inner product: ``vectors`` ``[M, D]``, ``codebook`` ``[K, D]`` -> int64 ``[M]``."""
    book = codebook.float()
    return torch.cat([(piece.float() @ book.t()).argmax(1) for piece in pieces_of(vectors, book)])


def pieces_of(vectors: Tensor, codebook: Tensor) -> tuple[Tensor, ...]:
    """The vectors in pieces whose products with the codebook fit into memory."""
    return vectors.split(max(1, min(ROWS, VALUES // max(1, len(codebook)))))


def statistics(vectors: Tensor, indices: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """How many vectors each code got, float32 ``[count]``, and their sums, float32 ``[count, D]``."""
    counts = torch.zeros(count, device=vectors.device)
    sums = torch.zeros(count, vectors.shape[1], device=vectors.device)
    ones = torch.ones(len(indices), device=vectors.device)
    return counts.index_add_(0, indices, ones), sums.index_add_(0, indices, vectors.float())


def used_share(indices: Tensor, count: int) -> Tensor:
    """The share of the ``count`` codes that occur in ``indices``, a scalar."""
    used = torch.zeros(count, device=indices.device)
    return used.index_fill_(0, indices.reshape(-1), 1.0).mean()


def draw(vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` random ones of ``vectors`` ``[M, D]``; where there are fewer, repeated with a little noise."""
    order = torch.randperm(len(vectors), generator=generator).to(vectors.device)
    chosen = vectors[order].float()
    if len(chosen) < count:
        chosen = chosen.repeat(-(-count // len(chosen)), 1)
        chosen = chosen + 0.01 * chosen.std() * torch.randn(chosen.shape, generator=generator).to(vectors.device)
    return chosen[:count]


class Codebook(nn.Module):
    """``count`` vectors of ``dim`` values. ``weight`` is float32 ``[count, dim]``, plus a zero row with ``padding``.

    With ``moving`` the vectors are moving averages and get no gradient; the buffers ``cluster_size_ema`` and
    ``embed_ema`` are named as in rq-vae-transformer. Without, ``weight`` is trained by gradient, as in taming.
    """

    cluster_size_ema: Tensor
    embed_ema: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, count: int, dim: int, moving: MovingAverage | None, seed: int, padding: bool = False) -> None:
        super().__init__()
        self.count, self.moving, self.seed = count, moving, seed
        self.vectors: list[Tensor] = []
        initial = torch.empty(count, dim).uniform_(-1 / count, 1 / count) if moving is None else torch.randn(count, dim)
        self.weight = nn.Parameter(F.pad(initial, (0, 0, 0, int(padding))), requires_grad=moving is None)
        if moving is None:
            return
        self.register_buffer("cluster_size_ema", torch.ones(count))
        self.register_buffer("embed_ema", initial.clone())
        self.register_buffer("counts", torch.zeros(count), persistent=False)
        self.register_buffer("sums", torch.zeros(count, dim), persistent=False)
        self.register_load_state_dict_post_hook(_forget_step)

    @property
    def codes(self) -> Tensor:
        """The vectors without the padding row, ``[count, dim]``."""
        return self.weight[: self.count]

    def forward(self, indices: Tensor) -> Tensor:
        """The vectors of codes, int64 ``[...]`` -> ``[..., D]``."""
        return F.embedding(indices, self.weight)

    def search(self, vectors: Tensor) -> Tensor:
        """The nearest code of each vector, ``[..., D]`` -> int64 ``[...]``."""
        return nearest(vectors.reshape(-1, vectors.shape[-1]), self.codes).reshape(vectors.shape[:-1])

    @torch.no_grad()
    def gather(self, vectors: Tensor, indices: Tensor) -> None:
        """Remembers, until :meth:`apply_step`, some of the step's vectors ``[..., D]`` and their codes."""
        if self.moving is None:
            return
        flat = vectors.detach().reshape(-1, vectors.shape[-1]).float()
        if self.moving.restart_below:
            self.vectors.append(flat)
        counts, sums = statistics(flat, indices.reshape(-1), self.count)
        self.counts += counts
        self.sums += sums

    @torch.no_grad()
    def apply_step(self, step: int, comm: Comm) -> None:
        """Once per step: the moving averages, then the restart of unused codes."""
        if self.moving is None:
            return
        self.cluster_size_ema.lerp_(comm.all_reduce_mean(self.counts) * comm.size, 1 - self.moving.decay)
        self.embed_ema.lerp_(comm.all_reduce_mean(self.sums) * comm.size, 1 - self.moving.decay)
        if self.moving.restart_below:
            vectors = comm.all_gather(torch.cat(self.vectors))
            self._restart(self.moving.restart_below, vectors, seeding.generator(self.seed, "restart", step))
        self._refresh()
        self.forget()

    def forget(self) -> None:
        """Drops what :meth:`gather` remembers."""
        self.vectors.clear()
        self.counts.zero_()
        self.sums.zero_()

    @torch.no_grad()
    def start(self, codes: Tensor, vectors: Tensor, steps: float) -> None:
        """Begins with ``codes``, to which ``vectors`` of that many steps belong."""
        self.codes.copy_(codes)
        if self.moving is None:
            return
        counts, _ = statistics(vectors, nearest(vectors, codes), self.count)
        self.cluster_size_ema.copy_(counts / steps)
        self.embed_ema.copy_(codes * self.cluster_size_ema[:, None])

    def _restart(self, below: float, vectors: Tensor, generator: torch.Generator) -> None:
        unused = self.cluster_size_ema < below
        fresh = draw(vectors, self.count, generator)
        self.embed_ema.copy_(torch.where(unused[:, None], fresh, self.embed_ema))
        self.cluster_size_ema.masked_fill_(unused, 1.0)

    def _refresh(self) -> None:
        # Laplace smoothing keeps a code finite to which (nearly) no vectors belong.
        total, epsilon = self.cluster_size_ema.sum(), 1e-5
        smoothed = (self.cluster_size_ema + epsilon) / (total + self.count * epsilon) * total
        self.codes.copy_(self.embed_ema / smoothed[:, None])


def _forget_step(codebook: nn.Module, keys: object) -> None:
    """After a state is loaded, statistics of an unfinished step are of another run."""
    assert isinstance(codebook, Codebook)
    codebook.forget()
