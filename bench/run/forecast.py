"""The arithmetic of a forecast: what a run will take, from a few measured turns. Pure functions, no torch.

Times are in seconds, memory and disk in bytes. A :class:`Spread` holds the fastest, the median and the slowest of what
was measured; sums and multiples treat the three alike, so that a forecast says how far its measurements differed.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.core.progress import duration


@dataclass(frozen=True)
class Spread:
    """Fastest, median and slowest seconds."""

    low: float = 0.0
    middle: float = 0.0
    high: float = 0.0

    def __add__(self, other: Spread) -> Spread:
        return Spread(self.low + other.low, self.middle + other.middle, self.high + other.high)

    def __mul__(self, factor: float) -> Spread:
        return Spread(self.low * factor, self.middle * factor, self.high * factor)


def spread(seconds: Sequence[float]) -> Spread:
    """Of measured times, at least one."""
    return Spread(min(seconds), statistics.median(seconds), max(seconds))


def total(parts: Sequence[Spread]) -> Spread:
    """The sum; nothing takes no time."""
    return sum(parts, Spread())


@dataclass(frozen=True)
class Turn:
    """The measured turns of one phase: ``images`` in each, of which ``fixed`` seconds do not grow with the images.

    ``since`` is the first step of the run from which the phase takes this long.
    """

    phase: str
    seconds: tuple[float, ...]
    images: int
    fixed: float = 0.0
    every: int = 1
    since: int = 0

    def scaled(self, batch: int) -> Spread:
        """One turn on ``batch`` images."""
        return spread([max(s - self.fixed, 0.0) * batch / self.images + self.fixed for s in self.seconds])


def turns_between(every: int, first: int, last: int) -> int:
    """How many of the steps ``first`` to ``last`` - 1 are multiples of ``every``."""
    return max(-(-last // every) - -(-first // every), 0)


def training_seconds(turns: Sequence[Turn], steps: int, batch: int) -> Spread:
    """All turns of a training of ``steps`` steps of ``batch`` images.

    Where the same phase was measured from several steps on, each measurement holds until the next.
    """
    parts = []
    for turn in turns:
        later = [other.since for other in turns if other.phase == turn.phase and other.since > turn.since]
        last = min([*later, steps])
        parts.append(turn.scaled(batch) * turns_between(turn.every, turn.since, last))
    return total(parts)


def saves(seconds: float, every_seconds: float, most: int) -> int:
    """How many checkpoints a training of that length writes: one at its start, at most ``most`` afterwards."""
    return 1 + min(int(seconds // every_seconds), most)


@dataclass(frozen=True)
class Memory:
    """The peak of a training step: ``fixed`` bytes and ``per_image`` for every image of a micro-batch.

    ``others`` is the peak of what is not a step: a checkpoint that is written and read. ``what`` says which number of
    the machine this is.
    """

    fixed: int
    per_image: float
    others: int
    what: str

    def peak(self, micro_batch: int) -> int:
        """With that many images in a forward pass."""
        return max(round(self.fixed + self.per_image * micro_batch), self.others)

    def largest(self, available: int) -> int:
        """The largest micro-batch that fits into ``available`` bytes; 0 where none does."""
        if self.others > available or self.per_image <= 0:
            return 0
        return max(int((available - self.fixed) // self.per_image), 0)


@dataclass(frozen=True)
class StageForecast:
    """One stage of one cell.

    ``disk`` is what stays, by name; ``transient`` what is there only while the stage runs. ``memory`` is None where a
    device does not say its peak. ``basis`` are notes on how it was measured; ``remedies`` what would need less memory.
    """

    stage: str
    seconds: Spread
    memory: int | None = None
    disk: Mapping[str, int] = field(default_factory=dict)
    transient: int = 0
    basis: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()


@dataclass(frozen=True)
class CellForecast:
    """The stages of one cell that could be rehearsed; ``failure`` is why the next one could not."""

    label: str
    seed: int
    stages: tuple[StageForecast, ...]
    failure: str | None = None
    memory_of: str = ""


@dataclass(frozen=True)
class Sums:
    """Of all cells of a run: they run one after the other, so times and what stays on disk add up."""

    seconds: Spread
    memory: int | None
    disk: int
    transient: int


def sums(cells: Sequence[CellForecast]) -> Sums:
    """Time and lasting disk added up; the largest memory and the largest passing need of disk."""
    stages = [stage for cell in cells for stage in cell.stages]
    memories = [stage.memory for stage in stages if stage.memory is not None]
    return Sums(
        total([stage.seconds for stage in stages]),
        max(memories) if memories else None,
        sum(sum(stage.disk.values()) for stage in stages),
        max((stage.transient for stage in stages), default=0),
    )


@dataclass(frozen=True)
class Room:
    """What the machine has: bytes of memory, None where it is not known, and bytes of free disk, each with its name."""

    memory: int | None
    memory_name: str
    disk: int
    disk_name: str


def shortfalls(cells: Sequence[CellForecast], room: Room) -> list[str]:
    """A sentence for everything that does not fit, with the remedy."""
    found = []
    for cell in cells:
        for stage in cell.stages:
            if stage.memory is not None and room.memory is not None and stage.memory > room.memory:
                remedy = "; ".join(stage.remedies) or "use a machine with more memory"
                found.append(
                    f"'{cell.label}', {stage.stage}: needs {size(stage.memory)} of memory, but {room.memory_name} has "
                    f"{size(room.memory)}; {remedy}."
                )
    needed = sums(cells)
    if needed.disk + needed.transient > room.disk:
        found.append(
            f"The run needs {size(needed.disk + needed.transient)} on the disk of {room.disk_name}, but "
            f"{size(room.disk)} are free; free space there, or set BENCH_CACHE to a folder on another disk."
        )
    return found


def size(count: float) -> str:
    """Bytes for a reader: ``312 kB``, ``1.4 GB``."""
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def span(seconds: Spread) -> str:
    """The median with its spread: ``12 min (11 min to 14 min)``."""
    low, middle, high = duration(seconds.low), duration(seconds.middle), duration(seconds.high)
    return middle if low == high else f"{middle} ({low} to {high})"
