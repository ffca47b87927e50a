"""Several small symbols of a cell as one: a sequence of bits would be many times as long as one of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Packs = tuple[tuple[int, ...], ...]
"""The levels of the symbols that are modelled as one, in order: ``(2,) * 18`` as ``((2,) * 9, (2,) * 9)``."""

MOST = 1024
"""Values of a packed symbol, unless a single one has more."""


def packs(levels: Sequence[int]) -> Packs:
    """As few packs of neighbouring symbols as there can be with :data:`MOST` values each, filled evenly."""
    whole = math.prod(levels)
    count = 1
    while True:
        target = max(whole ** (1 / count), 1.0)
        found: list[tuple[int, ...]] = [()]
        for level in levels:
            if found[-1] and (math.prod(found[-1]) * level > MOST or math.prod(found[-1]) >= 0.99 * target):
                found.append(())
            found[-1] = (*found[-1], level)
        if len(found) <= count or count == len(levels):
            return tuple(found)
        count += 1


def sizes(packed: Packs) -> tuple[int, ...]:
    """How many values each pack has."""
    return tuple(math.prod(pack) for pack in packed)


def pack(symbols: Tensor, packed: Packs) -> Tensor:
    """Symbols int64 ``[..., D]`` to packs ``[..., P]``; the first symbol of a pack varies slowest."""
    parts = symbols.split([len(p) for p in packed], -1)
    return torch.stack([_number(part, levels) for part, levels in zip(parts, packed, strict=True)], -1)


def _number(part: Tensor, levels: Sequence[int]) -> Tensor:
    number = part[..., 0]
    for i, level in enumerate(levels[1:], 1):
        number = number * level + part[..., i]
    return number


def unpack(numbers: Tensor, packed: Packs) -> Tensor:
    """The inverse of :func:`pack`."""
    symbols: list[Tensor] = []
    for number, levels in zip(numbers.unbind(-1), packed, strict=True):
        found: list[Tensor] = []
        for level in reversed(levels):
            found.append(number % level)
            number = number // level
        symbols += reversed(found)
    return torch.stack(symbols, -1)
