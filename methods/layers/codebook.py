"""A codebook: nearest-neighbour search, moving-average update, k-means start, restart of unused codes.

Statistics are gathered during the loss and applied once per step, summed over micro-batches and processes, so
that a step's batch may be cut in any way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import seeding
from methods.layers.vq_settings import MovingAverage

if TYPE_CHECKING:
    from bench.contract import Comm

ROWS = 8192
"""Vectors compared with the codebook at a time, which bounds the memory of the search."""

RECENT = 4
"""The k-means start sees this many vectors per code, the latest ones."""


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """The nearest code by Euclidean distance: ``vectors`` ``[M, D]``, ``codebook`` ``[K, D]`` -> int64 ``[M]``."""
    book = codebook.float()
    norms = book.square().sum(1)
    pieces = [torch.addmm(norms, piece.float(), book.t(), alpha=-2).argmin(1) for piece in vectors.split(ROWS)]
    return torch.cat(pieces)


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


def kmeans(vectors: Tensor, count: int, generator: torch.Generator, iterations: int = 10) -> Tensor:
    """``count`` means of ``vectors`` ``[M, D]`` (Lloyd 1982) from a random start, float32 ``[count, D]``.

    A mean to which no vector belongs stays where it is.
    """
    means = draw(vectors, count, generator)
    for _ in range(iterations):
        counts, sums = statistics(vectors, nearest(vectors, means), count)
        means = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], means)
    return means


class Codebook(nn.Module):
    """``count`` vectors of ``dim`` values. ``weight`` is float32 ``[count, dim]``, plus a zero row with ``padding``.

    With ``moving`` the vectors are moving averages and get no gradient; the buffers ``cluster_size_ema`` and
    ``embed_ema`` are named as in rq-vae-transformer. Without, ``weight`` is trained by gradient, as in taming.
    """

    cluster_size_ema: Tensor
    embed_ema: Tensor
    counts: Tensor
    sums: Tensor
    recent: Tensor
    seen: Tensor
    started: Tensor

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
        if moving.kmeans_at:
            self.register_buffer("recent", torch.zeros(RECENT * count, dim))
            self.register_buffer("seen", torch.zeros((), dtype=torch.long))
            self.register_buffer("started", torch.zeros((), dtype=torch.bool))
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

    def ready(self, step: int) -> bool:
        """Whether training quantises at ``step``: not before the k-means start."""
        return self.moving is None or step >= self.moving.kmeans_at

    @torch.no_grad()
    def gather(self, vectors: Tensor, indices: Tensor | None) -> None:
        """Remembers, until :meth:`apply`, the step's vectors ``[..., D]`` and their codes (None before the start)."""
        if self.moving is None:
            return
        flat = vectors.detach().reshape(-1, vectors.shape[-1]).float()
        self.vectors.append(flat)
        if indices is not None:
            counts, sums = statistics(flat, indices.reshape(-1), self.count)
            self.counts += counts
            self.sums += sums

    @torch.no_grad()
    def apply_step(self, step: int, comm: Comm) -> None:
        """Once per step: the moving averages, then the restart of unused codes; or the k-means start."""
        if self.moving is None:
            return
        vectors = comm.all_gather(torch.cat(self.vectors))
        if not self.ready(step):
            self._remember(vectors)
            if self.ready(step + 1):
                self.start()
        else:
            self._average(self.moving, comm)
            if self.moving.restart_below:
                self._restart(self.moving, vectors, seeding.generator(self.seed, "restart", step))
            self._refresh()
        self.forget()

    def forget(self) -> None:
        """Drops what :meth:`gather` remembers."""
        self.vectors.clear()
        self.counts.zero_()
        self.sums.zero_()

    @torch.no_grad()
    def start(self) -> None:
        """Sets the codebook by k-means on the vectors remembered so far."""
        remembered = self.recent[: int(self.seen)]
        means = kmeans(remembered, self.count, seeding.generator(self.seed, "kmeans"))
        share, _ = statistics(remembered, nearest(remembered, means), self.count)
        self.cluster_size_ema.copy_(share / RECENT)
        self.embed_ema.copy_(means * self.cluster_size_ema[:, None])
        self.started.fill_(True)
        self.codes.copy_(means)

    def settle(self) -> None:
        """Starts a codebook that was never started because training was shorter than ``kmeans_at`` steps."""
        if self.moving is not None and self.moving.kmeans_at and not bool(self.started) and int(self.seen):
            self.start()

    def _remember(self, vectors: Tensor) -> None:
        latest = torch.cat([self.recent[: int(self.seen)], vectors])[-len(self.recent) :]
        self.recent[: len(latest)] = latest
        self.seen.fill_(len(latest))

    def _average(self, moving: MovingAverage, comm: Comm) -> None:
        counts = comm.all_reduce_mean(self.counts) * comm.size
        sums = comm.all_reduce_mean(self.sums) * comm.size
        self.cluster_size_ema.lerp_(counts, 1 - moving.decay)
        self.embed_ema.lerp_(sums, 1 - moving.decay)

    def _restart(self, moving: MovingAverage, vectors: Tensor, generator: torch.Generator) -> None:
        unused = (self.cluster_size_ema < moving.restart_below)[:, None]
        fresh = draw(vectors, self.count, generator)
        self.embed_ema.copy_(torch.where(unused, fresh, self.embed_ema))
        self.cluster_size_ema.masked_fill_(unused[:, 0], 1.0)

    def _refresh(self) -> None:
        # Laplace smoothing keeps a code with (nearly) no vectors finite (Razavi et al. 2019, section 3.1's code).
        total, epsilon = self.cluster_size_ema.sum(), 1e-5
        smoothed = (self.cluster_size_ema + epsilon) / (total + self.count * epsilon) * total
        self.codes.copy_(self.embed_ema / smoothed[:, None])


def _forget_step(codebook: nn.Module, keys: object) -> None:
    """After a state is loaded, statistics of an unfinished step are of another run."""
    assert isinstance(codebook, Codebook)
    codebook.forget()
