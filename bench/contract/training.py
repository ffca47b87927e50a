"""What is trained: a learner says its networks, optimisers and losses; :mod:`bench.train` owns the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from bench.contract.codes import Codes, Seeds

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Comm(Protocol):
    """The other processes of a training; ``all_gather`` joins equal shapes along axis 0, in rank order."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def all_reduce_mean(self, tensor: Tensor) -> Tensor: ...

    def all_gather(self, tensor: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Batch:
    """``images`` uint8 ``[B, 3, H, W]`` for a tokenizer, ``codes`` for a prior, ``labels`` int64 ``[B]`` of classes.

    ``seeds[i]`` is of (training seed, step, place in the step's whole batch): noise drawn from it
    (:func:`bench.core.seeding.normal`) depends neither on micro-batches nor on the number of processes.
    """

    seeds: Seeds
    images: Tensor | None = None
    codes: Codes | None = None
    labels: Tensor | None = None


@dataclass(frozen=True)
class Losses:
    """``total`` is differentiable and a mean over the batch; ``parts`` are detached scalars for the log."""

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Phase:
    """One optimiser step within a training step, at multiples of ``every`` from ``start`` on.

    ``loss(batch, step)`` per micro-batch; only ``parameters`` require gradients meanwhile. ``schedule(step, steps)``
    scales the learning rates, ``clip`` is the largest gradient norm.
    """

    name: str
    optimizer: torch.optim.Optimizer
    parameters: Sequence[nn.Parameter]
    loss: Callable[[Batch, int], Losses]
    every: int = 1
    start: int = 0
    schedule: Callable[[int, int], float] | None = None
    clip: float | None = None


@dataclass(frozen=True)
class Averaged:
    """Weights averaged with this half-life in images seen, at first ``ramp_up`` times those (Karras et al. 2020)."""

    module: nn.Module
    half_life: float
    ramp_up: float = 0.05


Product = TypeVar("Product", covariant=True)


class Learner(Protocol[Product]):
    """Becomes its product, a :class:`Tokenizer` or a :class:`Prior`, by being trained in ``bench.train.loop``.

    The harness owns loop, data, clock, files, gradient averaging and the moving average; the learner its networks,
    optimisers and losses. ``module`` is everything with a state, ``averaged`` the part whose moving average is
    evaluated, ``batch`` the images of a step over all processes, ``phases`` in order (none without training).
    What is gathered in ``loss`` but counts once per step (codebook statistics) is applied in ``after_step``.
    """

    @property
    def module(self) -> nn.Module: ...

    @property
    def averaged(self) -> Averaged | None: ...

    @property
    def batch(self) -> int: ...

    @property
    def phases(self) -> Sequence[Phase]: ...

    def after_step(self, step: int) -> None: ...

    def finish(self) -> Product:
        """The product, in evaluation mode. The moving average has been copied into ``averaged.module`` before."""
