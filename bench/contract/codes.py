"""What a tokenizer's encoder gives and its decoder takes: codes of four kinds, whose first axis is always the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Continuous:
    """Float ``[N, ...]``, a grid ``[N, C, h, w]``, within ``low`` and ``high``; None where unbounded.

    It has a rate only at a named uniform bit depth between its bounds (:attr:`MethodEntry.bit_depth`).
    """

    tensor: Tensor
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Indices:
    """Categorical codes: ``tensor`` is int64 ``[N, h, w, len(levels)]``, or ``[N, L, len(levels)]`` for a sequence.

    Symbol k of a cell is in ``[0, levels[k])``: VQ ``(1024,)``, RQ ``(16384,) * 4``, FSQ ``(8, 5, 5, 5)``, LFQ and BSQ
    ``(2,) * 18``. A cell costs ``sum(log2(levels))`` bits; nothing of the size of their product is ever allocated.
    ``pooled``: codebook use is counted over single symbols of equal levels (residual codes), not over whole cells.
    """

    tensor: Tensor
    levels: tuple[int, ...]
    pooled: bool = False


@dataclass(frozen=True)
class Sparse:
    """``triples[i]`` int64 ``[M_i, 3]``: (channel, position, value) of image i; ``shape`` their vocabularies."""

    triples: tuple[Tensor, ...]
    shape: tuple[int, int, int]
    size: tuple[int, int]


@dataclass(frozen=True)
class Stream:
    """Finished bitstreams, one per image. ``header_bits[i]`` of them do not depend on the image's content.

    ``library`` names the software outside this project that wrote them, with its version, where there is one.
    """

    data: tuple[bytes, ...]
    header_bits: tuple[int, ...]
    size: tuple[int, int]
    library: str = ""


Codes = Continuous | Indices | Sparse | Stream
Seeds = Sequence[int]
"""One integer per image; all randomness of image i is derived from ``seeds[i]`` alone (:mod:`bench.core.seeding`)."""


@dataclass(frozen=True)
class Condition:
    """Class ``labels`` int64 ``[N]``, or what a task (:attr:`PriorMethod.tasks`) gives of images' ``codes``."""

    labels: Tensor | None = None
    codes: Codes | None = None
    task: str | None = None
