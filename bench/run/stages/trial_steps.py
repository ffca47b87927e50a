"""A few real steps of a training: every phase from every start, a checkpoint written and read, and a stopwatch.

What is measured are the very turns of :mod:`bench.train.loop`, in its precision. On a GPU a turn takes the micro-batch
that the training would take, halved while memory runs out, as there. Elsewhere it takes one image, and the whole
micro-batch only where that fits and is quick; the forecast scales the rest.
"""

from __future__ import annotations

import ctypes
import gc
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import torch

from bench.contract import Batch, Learner, Phase
from bench.core import seeding
from bench.core.distributed import Alone
from bench.errors import IntegrityError
from bench.evaluate.clock import peak_memory, reset_peak, synchronise
from bench.run.forecast import Memory, Spread, Turn, saves, spread, training_seconds
from bench.train import batches, checkpoint
from bench.train.checkpoint import Progressed
from bench.train.ema import MovingAverage
from bench.train.loop import LOGGED_POINTS, FitPlan, Source
from bench.train.phases import OptimizerSteps

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor


T = TypeVar("T")
Seconds = dict[tuple[int, str], float]
"""By the step from which they hold and the phase."""


@dataclass(frozen=True)
class Patience:
    """``least`` to ``rounds`` rounds of all phases are measured; beyond the least none begins after ``seconds``."""

    least: int = 2
    rounds: int = 4
    seconds: float = 15.0


@dataclass(frozen=True)
class Rehearsed:
    """What a few steps tell of a training of ``steps`` steps of ``batch`` images.

    ``rest`` are the seconds of a step that belong to no phase; ``saving`` and ``restoring`` those of a checkpoint of
    ``checkpoint_bytes``; ``final_bytes`` is the size of the finished weights. ``micro_batch`` is what the training
    would take in a forward pass on this device, ``measured`` the largest that was taken.
    """

    turns: tuple[Turn, ...]
    steps: int
    batch: int
    micro_batch: int
    measured: int
    rest: Spread
    saving: float
    restoring: float
    checkpoint_bytes: int
    final_bytes: int
    memory: Memory

    def seconds(self, save_every_seconds: float) -> Spread:
        """The whole training, with its checkpoints."""
        steps = training_seconds(self.turns, self.steps, self.batch) + self.rest * self.steps
        written = saves(steps.middle, save_every_seconds, min(self.steps, LOGGED_POINTS)) * self.saving
        return steps + Spread(written, written, written)


def rehearse(
    build: Callable[[], Learner[T]],
    source: Source,
    plan: FitPlan,
    fabric: Fabric,
    folder: Path,
    available: int | None,
    patience: Patience = Patience(),
) -> tuple[Rehearsed, Learner[T]]:
    """Builds a learner, lets it take the steps in ``folder``, and gives it with what was measured.

    ``available`` bytes of memory bound the micro-batch that is tried. Raises torch's own error when not even one image
    fits into memory, and :class:`bench.errors.IntegrityError` when a checkpoint does not come back as it was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    learner = build()
    learner.module.to(fabric.device)
    return _Stand(learner, source, plan, fabric, patience).run(folder, available), learner


class _Stand:
    """One learner on the test stand."""

    def __init__(
        self, learner: Learner[object], source: Source, plan: FitPlan, fabric: Fabric, patience: Patience
    ) -> None:
        self.learner, self.source, self.plan, self.fabric = learner, source, plan, fabric
        self.patience, self.device = patience, fabric.device
        self.steps = math.ceil(plan.images / learner.batch)
        self.average = MovingAverage(learner.averaged) if learner.averaged else None
        self.optimizers = OptimizerSteps(learner.phases, self.steps, fabric, Alone())
        self.starts = sorted({0, *(phase.start for phase in learner.phases)})
        self.whole = min(plan.micro_batch or learner.batch, learner.batch)
        self.step = 0

    def run(self, folder: Path, available: int | None) -> Rehearsed:
        """The rounds, with a checkpoint between the first and the others."""
        micro = self.whole if self.device.type == "cuda" else 1
        reset_peak(self.device)
        micro = self.fitting(micro)
        saving, restoring, written = self.checkpoint(folder)
        others = self.peak()
        turns, rest, memory = self.measured(micro, others)
        if micro < self.whole and self.quick(turns, available, memory):
            micro = self.whole
            turns, rest, memory = self.measured(micro, others)
        checkpoint.save_final(folder, self.learner)
        return Rehearsed(
            turns=turns,
            steps=self.steps,
            batch=self.learner.batch,
            micro_batch=micro if self.device.type == "cuda" else self.whole,
            measured=micro,
            rest=rest,
            saving=saving,
            restoring=restoring,
            checkpoint_bytes=written,
            final_bytes=(folder / checkpoint.FINAL).stat().st_size,
            memory=memory,
        )

    def fitting(self, micro: int) -> int:
        """The first round, with half the micro-batch while a GPU's memory runs out."""
        while True:
            try:
                self.round(micro)
                return micro
            except torch.cuda.OutOfMemoryError:
                if micro == 1:
                    raise
                micro //= 2
                torch.cuda.empty_cache()

    def measured(self, micro: int, others: int) -> tuple[tuple[Turn, ...], Spread, Memory]:
        """Some more rounds: turns, the rest of a step, and memory; ``others`` is the peak of what came before."""
        fixed_memory = _in_use(self.device)  # all but activations: a round has been before
        reset_peak(self.device)
        found: dict[tuple[int, str], list[float]] = {}
        fixed: Seconds = {}
        rest: list[float] = []
        began = perf_counter()
        for number in range(1, self.patience.rounds + 1):
            seconds, own, beside = self.round(micro)
            for key, value in seconds.items():
                found.setdefault(key, []).append(value)
            fixed |= own
            rest += beside
            if number >= self.patience.least and perf_counter() - began > self.patience.seconds:
                break
        phases = {phase.name: phase for phase in self.learner.phases}
        turns = tuple(
            Turn(name, tuple(values), micro, min(fixed[start, name], *values), phases[name].every, start)
            for (start, name), values in found.items()
        )
        peak, what = peak_memory(self.device)
        per_image = max(int(peak or 0) - fixed_memory, 0) / micro
        return turns, spread(rest), Memory(fixed_memory, per_image, others, what)

    def round(self, micro: int) -> tuple[Seconds, Seconds, list[float]]:
        """A step from each start on: seconds of its phases, those of their optimisers alone, and of the rest."""
        seconds: Seconds = {}
        fixed: Seconds = {}
        rest: list[float] = []
        for start in self.starts:
            began = perf_counter()
            drawn = batches.drawn(self.source, self.plan.seed, self.step, micro, self.plan.flip, slice(None))
            batch = batches.to(drawn, self.device)
            torch.manual_seed(seeding.derive(self.plan.seed, "global", self.step, 0))
            due = [phase for phase in self.learner.phases if phase.start <= start]
            for phase in due:
                key = start, phase.name
                seconds[key], fixed[key] = self.turn(phase, batch, start, micro)
            self.learner.after_step(start)
            if self.average:
                self.average.update(self.learner.batch, self.learner.batch)
            synchronise(self.device)
            inside = sum(seconds[start, phase.name] + fixed[start, phase.name] for phase in due)
            rest.append(max(perf_counter() - began - inside, 0.0))
            self.step += 1
        return seconds, fixed, rest

    def turn(self, phase: Phase, batch: Batch, start: int, micro: int) -> tuple[float, float]:
        """A turn at the first step from ``start`` on at which the phase is due, and its optimiser once more alone."""
        step = -(-start // phase.every) * phase.every
        whole = self.timed(lambda: self.optimizers.run(phase, batch, step, micro))
        return whole, self.timed(phase.optimizer.step)

    def timed(self, run: Callable[[], object]) -> float:
        """Seconds, the device synchronised before and after."""
        synchronise(self.device)
        began = perf_counter()
        run()
        synchronise(self.device)
        return perf_counter() - began

    def checkpoint(self, folder: Path) -> tuple[float, float, int]:
        """Seconds of a save and of a restore, and the size of the file.

        Raises :class:`bench.errors.IntegrityError` where the step or a tensor comes back changed.
        """
        progressed = Progressed(step=self.step)
        saving = self.timed(lambda: checkpoint.save(folder, self.learner, self.average, progressed))
        before = _fingerprint(self.learner.module.state_dict().values())
        restored: list[Progressed | None] = []
        restoring = self.timed(lambda: restored.append(checkpoint.restore(folder, self.learner, self.average)))
        after = _fingerprint(self.learner.module.state_dict().values())
        if restored[0] is None or restored[0].step != self.step or before != after:
            raise IntegrityError(f"The checkpoint in {folder} did not come back as it was written; report the method.")
        file = folder / checkpoint.CHECKPOINT
        written = file.stat().st_size
        file.unlink()
        gc.collect()
        return saving, restoring, written

    def peak(self) -> int:
        """Peak memory in bytes since it was last reset; 0 where the device does not say."""
        return int(peak_memory(self.device)[0] or 0)

    def quick(self, turns: Iterable[Turn], available: int | None, memory: Memory) -> bool:
        """Whether a round with the whole micro-batch is short and fits well into memory."""
        seconds = sum(turn.scaled(self.whole).middle for turn in turns)
        return seconds < self.patience.seconds and (available is None or memory.peak(self.whole) < available / 2)


def _in_use(device: torch.device) -> int:
    """Bytes of memory in use now: the allocator's on a GPU, elsewhere the process's; 0 where it is not known."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # not in every C library
        if trim is not None:
            trim(0)  # gives back what was freed, which would count as in use
    reset_peak(device)
    return int(peak_memory(device)[0] or 0)


def _fingerprint(tensors: Iterable[Tensor]) -> list[str]:
    """A sum for each tensor (as text: NaN is like NaN), enough to see that one was not restored."""
    return [str(float(tensor.sum(dtype=torch.float64))) for tensor in tensors]
