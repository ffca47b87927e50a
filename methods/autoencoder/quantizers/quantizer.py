"""What an autoencoder asks of its quantiser, whichever kind it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from bench.contract import Comm


class Quantised(NamedTuple):
    """``latents`` ``[N, D, G, G]`` as the decoder gets them, the weighted ``loss``, and the codes.

    ``indices`` is None while the latents pass without quantisation.
    """

    latents: Tensor
    loss: Tensor
    indices: Tensor | None


class Quantizer(Protocol):
    """A module between encoder and decoder. Always in float32, also under autocast.

    - ``key``: its name inside official checkpoints.
    - ``loss_name``: its loss in the training log.
    - ``pooled``: as :attr:`bench.contract.Indices.pooled`.
    """

    key: str
    loss_name: str
    pooled: bool

    @property
    def levels(self) -> tuple[int, ...]:
        """Of the symbols of a cell, as in :class:`bench.contract.Indices`."""
        ...

    @property
    def dim(self) -> int:
        """Channels D of the latents that it takes and gives."""
        ...

    @property
    def codebook(self) -> Tensor:
        """The code vectors, float32 ``[K, D]``; of several codebooks the first."""
        ...

    def search(self, z: Tensor) -> Tensor:
        """Latents float32 ``[N, D, G, G]`` to codes, int64 ``[N, G, G, len(levels)]``."""
        ...

    def lookup(self, indices: Tensor) -> Tensor:
        """Codes as :meth:`search` gives them to the latents they stand for, ``[N, D, G, G]``."""
        ...

    def __call__(self, z: Tensor, step: int, gather: bool) -> Quantised:
        """A training pass with a straight-through gradient. ``gather`` False: the codebook takes no notice of it."""
        ...

    def after_step(self, step: int, comm: Comm) -> None:
        """What counts once per step: moving averages, the start of a codebook."""
        ...

    def settle(self) -> None:
        """Called once when training is over: starts a codebook that training was too short to start."""
        ...
