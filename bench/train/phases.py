"""One optimiser's step within a training step: gradients over the micro-batches and processes, clipped, applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contract import Batch, Phase
from bench.core.distributed import Alone, Processes, average_gradients
from bench.evaluate.cost import count_step
from bench.train import batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightning_fabric import Fabric
    from torch import Tensor


class OptimizerSteps:
    """The optimisers of all phases of a run of ``steps`` steps; learning rates are scaled from those found here."""

    def __init__(self, phases: Sequence[Phase], steps: int, fabric: Fabric, processes: Alone | Processes) -> None:
        self.all, self.steps, self.fabric, self.processes = phases, steps, fabric, processes
        self.rates = {phase.name: [group["lr"] for group in phase.optimizer.param_groups] for phase in phases}

    def due(self, step: int) -> list[Phase]:
        """The phases that run at this step."""
        return [phase for phase in self.all if step >= phase.start and step % phase.every == 0]

    def count(self, phase: Phase) -> int:
        """At how many of the steps a phase runs."""
        return len(range(-(-phase.start // phase.every) * phase.every, self.steps, phase.every))

    def counted(self, phase: Phase, batch: Batch, step: int, micro_batch: int) -> tuple[dict[str, Tensor], float]:
        """:meth:`run`, and the FLOPs it took in all processes."""
        losses: dict[str, Tensor] = {}
        flops = count_step(lambda: losses.update(self.run(phase, batch, step, micro_batch)))
        return losses, flops * self.processes.size

    def run(self, phase: Phase, batch: Batch, step: int, micro_batch: int) -> dict[str, Tensor]:
        """The step of ``phase`` on this process's ``batch``; its losses by "phase/loss", means over the batch."""
        self._require_gradients(phase)
        phase.optimizer.zero_grad(set_to_none=True)
        losses = self._gradients(phase, batch, step, micro_batch)
        average_gradients(phase.parameters, self.processes)
        self._apply(phase, step)
        return losses

    def _require_gradients(self, phase: Phase) -> None:
        for other in self.all:
            for parameter in other.parameters:
                parameter.requires_grad_(False)
        for parameter in phase.parameters:
            parameter.requires_grad_(True)

    def _gradients(self, phase: Phase, batch: Batch, step: int, micro_batch: int) -> dict[str, Tensor]:
        import torch

        sums: dict[str, Tensor] = {}
        for micro in batches.split(batch, micro_batch):
            share = len(micro.seeds) / len(batch.seeds)
            with self.fabric.autocast():
                losses = phase.loss(micro, step)
            (losses.total * share).backward()
            for name, value in {"total": losses.total.detach(), **losses.parts}.items():
                key = f"{phase.name}/{name}"
                sums[key] = sums.get(key, torch.zeros((), device=value.device)) + value.detach().float() * share
        return sums

    def _apply(self, phase: Phase, step: int) -> None:
        import torch

        if phase.clip is not None:
            torch.nn.utils.clip_grad_norm_(phase.parameters, phase.clip)
        scale = phase.schedule(step, self.steps) if phase.schedule else 1.0
        for group, rate in zip(phase.optimizer.param_groups, self.rates[phase.name], strict=True):
            group["lr"] = rate * scale
        phase.optimizer.step()
