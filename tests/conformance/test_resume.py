"""Every method that is trained: a run that was stopped and taken up again ends in the very same weights."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from bench.contract import Build, Learner
from bench.core.distributed import Alone
from bench.core.progress import silent
from bench.core.registry import load, method_of
from bench.data import frozen
from bench.run.presets import PRESETS
from bench.train import checkpoint
from bench.train.batches import ImageSource
from bench.train.loop import FitPlan, fit
from methods import METHODS

SIDE, STEPS, STOPPED = PRESETS["smoke"].resolution, 5, 4
TRAINED = [name for name, path in METHODS.items() if method_of(load(path)).learner]
EARLY = {"kmeans_at": 1}
"""The codebook's start falls before the stop."""
ADVERSARIAL = {
    "vqgan": {**EARLY, "disc_weight": 0.8, "disc_start": 1, "disc_width": 4, "disc_layers": 1},
    "brics": {"losses": {"adversarial": 1.0, "r1": 1.0, "r1_every": 2, "discriminator_base": 64}, "half_life": 50.0},
}
CODEBOOKS = {
    "projected": {"codebook": "projected"},
    "gradient-rotation": {"codebook": "gradient", "rotation": True},
    "average-rotation": {"rotation": True},
}
"""VQGAN's codebooks that are options and have no row of their own."""
CASES = {
    **{name: (name, {}) for name in TRAINED},
    **{f"{name}-adversarial": (name, changes) for name, changes in ADVERSARIAL.items()},
    **{f"vqgan-{option}": ("vqgan", changes) for option, changes in CODEBOOKS.items()},
}


class StoppedError(Exception):
    """Stands for a kill between two checkpoints."""


def settings_of(name: str, changes: dict):
    settings = load(METHODS[name]).settings("smoke", None)
    if hasattr(settings, "kmeans_at"):
        settings = replace(settings, **EARLY)
    losses = changes.get("losses")
    changes = {**changes, **({"losses": replace(settings.losses, **losses)} if losses else {})}
    return replace(settings, batch=4, **changes)


def trained(name: str, changes: dict, folder: Path, seed: int, observe=None) -> Learner:
    torch.manual_seed(seed)
    build = Build((SIDE, SIDE), 0, torch.device("cpu"), Alone())
    learner = method_of(load(METHODS[name])).learner(settings_of(name, changes), build)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 3, SIDE, SIDE), dtype=np.uint8)
    plan = FitPlan(images=STEPS * 4, seed=3, flip=True, save_every_seconds=0.0)
    source, fabric = ImageSource(frozen.in_memory(pixels)), Fabric(accelerator="cpu", devices=1)
    fit(learner, source, plan, fabric, folder, silent, observe=observe)
    return learner


def stop(step: int, point: object) -> None:
    if step == STOPPED:
        raise StoppedError


@pytest.mark.parametrize(("name", "changes"), CASES.values(), ids=CASES)
def test_a_stopped_run_resumes_to_identical_weights(name: str, changes: dict, tmp_path: Path) -> None:
    run = partial(trained, name, changes)
    whole = run(tmp_path / "whole", 0).module.state_dict()
    with pytest.raises(StoppedError):
        run(tmp_path / "stopped", 0, stop)
    assert (tmp_path / "stopped" / checkpoint.CHECKPOINT).exists()
    resumed = run(tmp_path / "stopped", 99).module.state_dict()
    untrained = method_of(load(METHODS[name])).learner(
        settings_of(name, changes), Build((SIDE, SIDE), 0, torch.device("cpu"), Alone())
    )
    assert any(not torch.equal(value, whole[key]) for key, value in untrained.module.state_dict().items())
    differing = [key for key, value in whole.items() if not torch.equal(value, resumed[key])]
    assert not differing
