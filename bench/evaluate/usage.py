"""How a codebook is used: counts of its entries; where they are too many for a table, of those that occur."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.contract import Indices
from bench.core import codes as codes_of
from bench.errors import UsageError
from bench.results.record import Measurement, Signature

PROFILE = 256
"""Numbers that say how a codebook is used, whatever its size."""

TABLE = 2**20
"""The largest codebook that is counted in a table; of a larger one only the entries that occur are remembered."""


@dataclass(frozen=True)
class Use:
    """``counts[i]`` int64 ``[K]`` is how often entry ``keys[i]`` was used; the other of ``entries`` never.

    ``keys`` is int64 ``[K, symbols]``, sorted and without repetition, or None: then ``counts`` is a table of all
    entries. ``joint`` says that an entry is all symbols of a cell together, of which there are several.
    """

    entries: int
    counts: np.ndarray
    keys: np.ndarray | None = None
    joint: bool = False

    def joined(self, other: Use) -> Use:
        """The sum of both; they are of codes with the same levels."""
        if self.keys is None or other.keys is None:
            return Use(self.entries, self.counts + other.counts, None, self.joint)
        keys, place = np.unique(np.concatenate([self.keys, other.keys]), axis=0, return_inverse=True)
        counts = np.zeros(len(keys), np.int64)
        np.add.at(counts, place.reshape(-1), np.concatenate([self.counts, other.counts]))
        return Use(self.entries, counts, keys, self.joint)


def use(codes: Indices) -> Use:
    """How often each entry of the codebook occurs in ``codes``: single symbols where they are pooled, else cells.

    Raises :class:`UsageError` where the last axis is not that of the levels, an index is outside its level
    or symbols of different levels are pooled.
    """
    codes_of.checked(codes, "the tokenizer")
    symbols = codes.tensor.flatten(0, -2).cpu().numpy().astype(np.int64)
    levels = codes.levels
    if codes.pooled:
        if len(set(levels)) > 1:
            raise UsageError(f"Symbols of different levels {levels} share no codebook; they cannot be pooled.")
        symbols, levels = symbols.reshape(-1, 1), levels[:1]
    entries, joint = math.prod(levels), len(levels) > 1
    if entries > TABLE:
        keys, counts = np.unique(symbols, axis=0, return_counts=True)
        return Use(entries, counts.astype(np.int64), keys, joint)
    flat = np.ravel_multi_index(tuple(symbols.T), levels)
    return Use(entries, np.bincount(flat, minlength=entries).astype(np.int64), None, joint)


def profile(used: Use, most: int = PROFILE) -> list[float]:
    """The uses of a codebook's entries, most used first; a larger codebook's as ``most`` equal shares of the entries.

    A share whose ends fall within an entry gets the part of that entry's uses that lies in it: the sum is that of
    the counts.
    """
    falling = np.sort(used.counts)[::-1].astype(np.float64)
    if used.entries <= most:
        return [float(value) for value in falling]
    reached = np.concatenate([[0.0], np.cumsum(falling)])
    edges = np.linspace(0.0, float(used.entries), most + 1)
    return [float(value) for value in np.diff(np.interp(edges, np.arange(len(reached)), reached))]


def codebook(used: Use) -> tuple[Measurement, ...]:
    """``codebook-use``, the share of entries used at least once, and ``codebook-entropy`` of their frequencies in bits.

    The entropy is at most log2 of the entries. The signature says where an entry is all symbols of a cell together.
    """
    counts = used.counts[used.counts > 0]
    total = int(counts.sum())
    frequencies = counts / max(total, 1)
    signature: Signature = {"vocabulary": used.entries, "positions": "pooled"}
    if used.joint:
        signature = {**signature, "symbols": "joint"}
    values = {
        "codebook-use": (len(counts) / used.entries, "share of entries"),
        "codebook-entropy": (float(-(frequencies * np.log2(frequencies)).sum()), "bits per index"),
    }
    return tuple(
        Measurement(name, value, unit, higher_is_better=True, n=total, signature=signature)
        for name, (value, unit) in values.items()
    )
