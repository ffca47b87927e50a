"""A training run of a few steps that is watched, and a second one that takes over where a kill would leave it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from bench.contract import Build, Learner
from bench.core.distributed import Alone
from bench.core.progress import silent
from bench.data import frozen
from bench.run.presets import PRESETS
from bench.train.checkpoint import CHECKPOINT
from bench.train.loop import FitPlan, Source, fit
from bench.train.report import FitReport

AFTER = 3
"""Steps from the last start on: two before the kill, one after it."""

IMAGES = 8


@dataclass
class Seen:
    """What was seen of a run: the trained parameters before it and after each step, and the logged points."""

    states: list[dict[str, Tensor]] = field(default_factory=list)
    points: list[Mapping[str, float]] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """How many there were."""
        return len(self.points)

    def moved(self, name: str, step: int) -> bool:
        """Whether this parameter changed at this step."""
        return not torch.equal(self.states[step][name], self.states[step + 1][name])


def photographs(side: int) -> frozen.ImageArray:
    """Smooth random images, uint8 ``[IMAGES, 3, side, side]``."""
    coarse = torch.rand(IMAGES, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    return frozen.in_memory((smooth * 255).round().to(torch.uint8).numpy())


def build(side: int, vgg16: Path, seed: int = 0) -> Build:
    """On the CPU, with the stand-in of VGG16."""
    torch.manual_seed(seed)
    return Build((side, side), 0, torch.device("cpu"), Alone(), weights=lambda name: {"vgg16": vgg16}[name])


def fabric(preset: str) -> Fabric:
    """In the preset's precision."""
    return Fabric(accelerator="cpu", devices=1, precision=PRESETS[preset].precision)


def parameters(learner: Learner) -> Iterator[tuple[str, Tensor]]:
    """What any phase trains, by name."""
    trained = {id(p) for phase in learner.phases for p in phase.parameters}
    return ((name, p) for name, p in learner.module.named_parameters() if id(p) in trained)


def run(
    learner: Learner, source: Source, preset: str, folder: Path, steps: int, kept: Path | None = None
) -> tuple[FitReport, Seen]:
    """Trains to the end in ``folder``; into ``kept`` goes the checkpoint that a kill within the last step leaves."""
    seen = Seen()

    def look(step: int, point: Mapping[str, float]) -> None:
        seen.states.append({name: p.detach().clone() for name, p in parameters(learner)})
        seen.points.append(point)
        if kept is not None and step == steps:  # the checkpoint of this step is not written yet
            kept.mkdir()
            shutil.copy(folder / CHECKPOINT, kept)

    seen.states.append({name: p.detach().clone() for name, p in parameters(learner)})
    plan = FitPlan(steps * learner.batch, seed=3, flip=PRESETS[preset].flip, save_every_seconds=0.0)
    report = fit(learner, source, plan, fabric(preset), folder, silent, observe=look)
    return report, seen


def killed_and_resumed(
    make: Callable[[int], Learner], source: Source, preset: str, folder: Path, steps: int
) -> tuple[Learner, FitReport, Seen]:
    """The learner of a run without interruption, after it was seen to end as one that was killed and taken up again.

    The second learner starts from other weights, so that all it has is in the checkpoint.
    """
    whole = make(0)
    report, seen = run(whole, source, preset, folder / "whole", steps, kept=folder / "killed")
    resumed = make(1)
    again, rest = run(resumed, source, preset, folder / "killed", steps)
    assert len(rest.points) == 1
    assert report.steps == len(report.curve) == seen.steps == steps
    assert again.curve == report.curve
    assert again.flops == report.flops > 0
    theirs = resumed.module.state_dict()
    assert not [name for name, value in whole.module.state_dict().items() if not torch.equal(value, theirs[name])]
    return whole, report, seen


def check_phases(learner: Learner, seen: Seen) -> None:
    """Every trained parameter moves at the steps at which a phase has it, and never at another."""
    names = {id(p): name for name, p in parameters(learner)}
    due: dict[str, set[int]] = {name: set() for name in names.values()}
    for phase in learner.phases:
        for parameter in phase.parameters:
            due[names[id(parameter)]] |= {s for s in range(phase.start, seen.steps) if s % phase.every == 0}
    still = {name for name, steps in due.items() if not any(seen.moved(name, step) for step in steps)}
    still -= balanced(learner)
    assert not still, f"never trained: {sorted(still)}"
    for name, steps in due.items():
        early = [step for step in range(seen.steps) if step not in steps and seen.moved(name, step)]
        assert not early, f"{name} moved at steps {early}, at which no phase has it"


def balanced(learner: Learner) -> set[str]:
    """The last bias of a discriminator with the hinge loss: real and fake images pull it equally inside the margin."""
    names = [name for name, _ in parameters(learner) if name.startswith("discriminator.main.")]
    return set(names[-1:])


def check_average(learner: Learner, seen: Seen) -> None:
    """The final weights are the moving average of Karras et al. 2020 over the steps, or those of the last step."""
    last = {name: p.detach() for name, p in parameters(learner)}
    averaged = learner.averaged
    within = {id(p) for p in averaged.module.parameters()} if averaged else set()
    for name, value in last.items():
        wanted = seen.states[-1][name].double()
        if averaged and id(dict(learner.module.named_parameters())[name]) in within:
            wanted = seen.states[0][name].double()
            for step in range(seen.steps):
                images = (step + 1) * learner.batch
                share = 0.5 ** (learner.batch / min(averaged.half_life, 0.05 * images))
                wanted = share * wanted + (1 - share) * seen.states[step + 1][name].double()
        np.testing.assert_allclose(value.double().numpy(), wanted.numpy(), rtol=1e-5, atol=1e-7)
