"""The one training loop: for every tokenizer and every prior.

A run is a function of its recipe: data order, noise and torch's own generators are seeded per step, so a run that
was killed and resumed ends with the weights of one that was not (same machine, versions and thread count).
The budget is images seen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench.contract import Batch, Learner, Seeds
from bench.core import seeding
from bench.core.distributed import Alone, Processes, comm
from bench.train import batches, checkpoint
from bench.train.checkpoint import Progressed
from bench.train.ema import MovingAverage
from bench.train.log import LossLog
from bench.train.phases import OptimizerSteps
from bench.train.report import FitReport

if TYPE_CHECKING:
    import numpy as np
    from lightning_fabric import Fabric
    from torch import Tensor

    from bench.core.progress import Progress

LOGGED_POINTS = 100

Preview = Callable[[Learner[Any]], Mapping[str, float]]
"""Evaluates a learner on held-out images, along the way."""

Observe = Callable[[int, Mapping[str, float]], None]
"""Is told every logged point: the step, images seen and mean losses."""


class Source(Protocol):
    """What a run trains on."""

    def __len__(self) -> int: ...

    def batch(self, indices: np.ndarray, flips: np.ndarray, seeds: Seeds) -> Batch:
        """The batch of these images (int64 ``[B]``), on the CPU; where ``flips`` (bool ``[B]``) says so, mirrored."""
        ...


@dataclass(frozen=True)
class FitPlan:
    """What is common to all methods of a preset.

    ``images`` is the budget in images seen, and the batch where the learner's is larger; ``flip`` mirrors half of
    them; ``micro_batch`` is the largest batch per forward pass, None for no limit; ``previews`` counts held-out
    evaluations along the way.
    """

    images: int
    seed: int
    flip: bool = False
    micro_batch: int | None = None
    save_every_seconds: float = 30.0
    previews: int = 0


def fit(
    learner: Learner[object],
    source: Source,
    plan: FitPlan,
    fabric: Fabric,
    folder: Path,
    progress: Progress,
    preview: Preview | None = None,
    observe: Observe | None = None,
) -> FitReport:
    """Trains ``learner`` in place to the end of the plan, resuming from ``folder`` where a checkpoint is.

    ``preview`` evaluates the averaged weights now and then; ``observe`` is told every logged point.
    Afterwards the learner holds the averaged weights, ``folder/final.safetensors`` has them, and the checkpoint is
    gone. Raises :class:`UsageError` for a batch that the processes cannot share, :class:`DivergedError` with step and
    losses when a loss is not finite, and CUDA's own error when not even one image fits into memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(learner, source, plan, fabric, folder, preview, observe)
    run.start()
    with progress("train", run.steps * run.batch) as advance:
        advance(run.progressed.step * run.batch)
        while run.progressed.step < run.steps:
            before = run.progressed.step
            run.advance()
            advance((run.progressed.step - before) * run.batch)
    return run.finish()


class _Run:
    """One process's share of a training run."""

    def __init__(
        self,
        learner: Learner[object],
        source: Source,
        plan: FitPlan,
        fabric: Fabric,
        folder: Path,
        preview: Preview | None,
        observe: Observe | None,
    ) -> None:
        self.learner, self.source, self.plan, self.fabric, self.folder = learner, source, plan, fabric, folder
        self.preview, self.observe = preview, observe
        self.processes: Alone | Processes = comm(fabric)
        self.batch = min(learner.batch, plan.images)
        batches.check_divisible(self.batch, self.processes.size)
        self.local = self.batch // self.processes.size
        self.steps = math.ceil(plan.images / self.batch)
        self.average = MovingAverage(learner.averaged) if learner.averaged else None
        self.optimizers = OptimizerSteps(learner.phases, self.steps, fabric, self.processes)
        self.progressed = Progressed(micro_batch=min(plan.micro_batch or self.local, self.local))
        self.losses = LossLog()
        self.saved_at = time.perf_counter()
        self.loader = ThreadPoolExecutor(1)
        self.log_every = max(self.steps // LOGGED_POINTS, 1)
        self.preview_steps = {self.steps * k // plan.previews for k in range(1, plan.previews)}

    def start(self) -> None:
        """Resumes, or writes the first checkpoint."""
        self.gathered = _transient_buffers(self.learner)
        restored = checkpoint.restore(self.folder, self.learner, self.average)
        if restored:
            self.progressed = restored
        else:
            self.save()
        self.upcoming = self.loader.submit(self.load, self.progressed.step)
        self.clock = time.perf_counter()

    def load(self, step: int) -> Batch:
        """This process's part of a step's batch, on the CPU."""
        first = self.processes.rank * self.local
        part = slice(first, first + self.local)
        return batches.drawn(self.source, self.plan.seed, step, self.batch, self.plan.flip, part)

    def advance(self) -> None:
        """One step, or, when memory ran out, a return to the last checkpoint with half the micro-batch."""
        import torch

        try:
            self.step()
        except torch.cuda.OutOfMemoryError:
            if self.progressed.micro_batch == 1:
                raise
        else:
            return
        # Not inside the handler: the exception's traceback holds the failed step's tensors, and with them the memory
        # that restoring needs.
        self.halve()

    def halve(self) -> None:
        """Goes back to the last checkpoint (the failed step may have left half of its statistics behind)."""
        import torch

        halved = self.progressed.micro_batch // 2
        # Blocks cached for the larger micro-batch have sizes that the smaller one does not ask for.
        torch.cuda.empty_cache()
        self.losses.clear()
        restored = checkpoint.restore(self.folder, self.learner, self.average)
        assert restored is not None, "start() wrote a checkpoint"
        # No checkpoint holds what is gathered within a step, and the failed one has written to it.
        for name in self.gathered:
            self.learner.module.get_buffer(name).copy_(self.gathered[name])
        self.progressed = restored
        self.progressed.micro_batch = halved
        self.upcoming = self.loader.submit(self.load, restored.step)

    def step(self) -> None:
        """All phases of one training step."""
        import torch

        step = self.progressed.step
        batch = batches.to(self.upcoming.result(), self.fabric.device)
        if step + 1 < self.steps:
            self.upcoming = self.loader.submit(self.load, step + 1)
        torch.manual_seed(seeding.derive(self.plan.seed, "global", step, self.processes.rank))
        self.phases(batch, step)
        self.learner.after_step(step)
        self.progressed.step = step + 1
        if self.average:
            self.average.update((step + 1) * self.batch, self.batch)
        self.after()

    def phases(self, batch: Batch, step: int) -> None:
        """Runs the phases that are due and keeps their losses; the first time, a phase's operations are counted."""
        losses: dict[str, Tensor] = {}
        flops, micro_batch = self.progressed.flops, self.progressed.micro_batch
        for phase in self.optimizers.due(step):
            if phase.name in flops:
                losses |= self.optimizers.run(phase, batch, step, micro_batch)
            else:
                counted, flops[phase.name] = self.optimizers.counted(phase, batch, step, micro_batch)
                losses |= counted
        self.losses.add(losses)

    def after(self) -> None:
        """Log, preview and checkpoint, each when due."""
        step = self.progressed.step
        if step % self.log_every == 0 or step == self.steps:
            self.flush()
        if self.preview and step in self.preview_steps:
            self.take_preview()
        if not len(self.losses) and self.agreed(time.perf_counter() - self.saved_at > self.plan.save_every_seconds):
            self.save()

    def agreed(self, due: bool) -> bool:
        """The first process's answer, in all processes: their clocks differ."""
        return self.fabric.broadcast(due) if self.processes.size > 1 else due

    def flush(self) -> None:
        """Moves the kept losses into the curve; stops at the first that is not finite."""
        step = self.progressed.step
        point = self.losses.point(step - len(self.losses), self.processes, self.folder)
        if point is not None:
            self.progressed.curve.append({"images": float(step * self.batch), **point})
            if self.observe:
                self.observe(step, self.progressed.curve[-1])

    def take_preview(self) -> None:
        """Evaluates the averaged weights on held-out images; the clock of the training stands still meanwhile."""
        assert self.preview is not None
        self.tick()
        values = self.preview(self.learner) if not self.average else self._preview_of_average()
        self.learner.module.train()
        self.progressed.previews.append({"images": float(self.progressed.step * self.batch), **values})
        self.clock = time.perf_counter()

    def _preview_of_average(self) -> Mapping[str, float]:
        assert self.preview is not None
        assert self.average is not None
        with self.average.swapped():
            return self.preview(self.learner)

    def tick(self) -> None:
        """Adds the time since the last tick to the run's seconds."""
        now = time.perf_counter()
        self.progressed.seconds += now - self.clock
        self.clock = now

    def save(self) -> None:
        """Writes the checkpoint (one process does) and waits for it."""
        if self.progressed.step:
            self.tick()
        if self.processes.rank == 0:
            checkpoint.save(self.folder, self.learner, self.average, self.progressed)
        self.fabric.barrier()
        self.saved_at = time.perf_counter()

    def finish(self) -> FitReport:
        """Puts the average in place, writes the final weights and reports."""
        self.flush()
        self.tick()
        self.loader.shutdown()
        if self.average:
            self.average.copy_to_module()
        if self.processes.rank == 0:
            checkpoint.save_final(self.folder, self.learner)
        self.fabric.barrier()
        done = self.progressed
        return FitReport(
            steps=self.steps,
            images_seen=self.steps * self.batch,
            batch=self.batch,
            micro_batch=done.micro_batch,
            seconds=done.seconds,
            flops=sum(done.flops.get(phase.name, 0.0) * self.optimizers.count(phase) for phase in self.learner.phases),
            curve=tuple(done.curve),
            previews=tuple(done.previews),
        )


def _transient_buffers(learner: Learner[object]) -> dict[str, Tensor]:
    """Copies of the buffers that no checkpoint holds: what is gathered within a step and applied at its end."""
    kept = learner.module.state_dict().keys()
    return {name: b.detach().clone() for name, b in learner.module.named_buffers() if name not in kept}
