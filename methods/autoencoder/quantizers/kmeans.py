"""The k-means start of codebooks: some steps without quantisation, then means of the latest vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench.core import seeding
from methods.autoencoder.quantizers.codebook import Codebook, draw, nearest, statistics

if TYPE_CHECKING:
    from bench.contract import Comm


def kmeans(vectors: Tensor, count: int, generator: torch.Generator, iterations: int = 10) -> Tensor:
    """``count`` means of ``vectors`` ``[M, D]`` (Lloyd 1982) from a random start, float32 ``[count, D]``.

    A mean to which no vector belongs stays where it is.
    """
    means = draw(vectors, count, generator)
    for _ in range(iterations):
        counts, sums = statistics(vectors, nearest(vectors, means), count)
        means = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], means)
    return means


class KMeansStart(nn.Module):
    """Remembers the latest ``capacity`` vectors of ``dim`` values over the first ``steps`` steps of a training."""

    recent: Tensor
    seen: Tensor
    per_step: Tensor

    def __init__(self, steps: int, capacity: int, dim: int, seed: int) -> None:
        super().__init__()
        self.steps, self.seed = steps, seed
        self.vectors: list[Tensor] = []
        self.register_buffer("recent", torch.zeros(capacity, dim))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        self.register_buffer("per_step", torch.ones(()))
        self.register_load_state_dict_post_hook(_forget_step)

    @property
    def over(self) -> bool:
        """Whether the codebooks have been started."""
        return int(self.seen) < 0

    def passes(self, vectors: Tensor, step: int, gather: bool) -> bool:
        """Whether latents pass as they are at that step; if so, and with ``gather``, their vectors are remembered."""
        if step >= self.steps:
            return False
        if gather:
            self.gather(vectors)
        return True

    @torch.no_grad()
    def gather(self, vectors: Tensor) -> None:
        """Remembers, until :meth:`apply_step`, some of the step's vectors, ``[..., D]``."""
        self.vectors.append(vectors.detach().reshape(-1, vectors.shape[-1]).float())

    @torch.no_grad()
    def apply_step(self, comm: Comm) -> None:
        """Once per step: keeps the latest vectors of all processes."""
        vectors = comm.all_gather(torch.cat(self.vectors))
        self.vectors.clear()
        latest = torch.cat([self.recent[: int(self.seen)], vectors])[-len(self.recent) :]
        self.recent[: len(latest)] = latest
        self.seen.fill_(len(latest))
        self.per_step.fill_(len(vectors))

    def latest(self) -> Tensor:
        """The remembered vectors, ``[M, D]``; none before the first step and once :attr:`over`."""
        return self.recent[: 0 if self.over else int(self.seen)].clone()

    def end(self) -> None:
        """Once the codebooks have been started; afterwards :attr:`over` is true."""
        self.seen.fill_(-1)

    def means(self, vectors: Tensor, count: int, name: str) -> Tensor:
        """:func:`kmeans` from the start that the training seed and ``name`` give."""
        return kmeans(vectors, count, seeding.generator(self.seed, "kmeans", name))


def after_step(
    books: Iterable[Codebook], start: KMeansStart | None, step: int, comm: Comm, settle: Callable[[], None]
) -> None:
    """Applies what ``books`` gathered; before quantisation what ``start`` gathered, and at its last step ``settle``."""
    if start is None or step >= start.steps:
        for book in books:
            book.apply_step(step, comm)
        return
    start.apply_step(comm)
    if step + 1 == start.steps:
        settle()
        start.end()


def _forget_step(start: nn.Module, keys: object) -> None:
    assert isinstance(start, KMeansStart)
    start.vectors.clear()
