"""One learner on the test stand: which turns are measured, what memory is forecast, and what is left behind."""

from __future__ import annotations

import dataclasses
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from bench.contract import Batch, Build, Losses
from bench.core.distributed import Alone
from bench.data import frozen
from bench.errors import IntegrityError
from bench.run.stages.trial_steps import Patience, Rehearsed, rehearse
from bench.train.batches import ImageSource
from bench.train.loop import FitPlan
from tests.toys import ToyLearner, ToyNetwork, ToySettings

CPU = torch.device("cpu")
MEGABYTES = 24
USUAL = Patience()


def source() -> ImageSource:
    return ImageSource(frozen.in_memory(np.random.default_rng(0).integers(0, 256, (24, 3, 16, 16), np.uint8)))


def tried(learner: ToyLearner, folder: Path, plan: FitPlan, patience: Patience = USUAL) -> Rehearsed:
    fabric = Fabric(accelerator="cpu", devices=1)
    found, given = rehearse(lambda: learner, source(), plan, fabric, folder, None, patience)
    assert given is learner
    return found


def toy() -> ToyLearner:
    return ToyLearner(ToySettings(), Build((16, 16), 0, CPU, Alone()))


def test_every_phase_is_measured_from_every_start_and_only_the_final_weights_are_left(tmp_path: Path) -> None:
    found = tried(toy(), tmp_path, FitPlan(images=80, seed=0))
    assert [(t.since, t.phase, t.every) for t in found.turns] == [(0, "main", 1), (2, "main", 1), (2, "extra", 3)]
    assert all(len(t.seconds) == 4 and t.images == 8 and 0 < t.fixed <= min(t.seconds) for t in found.turns)
    assert (found.steps, found.batch, found.micro_batch, found.measured) == (10, 8, 8, 8)
    assert [path.name for path in tmp_path.iterdir()] == ["final.safetensors"]
    assert found.final_bytes == (tmp_path / "final.safetensors").stat().st_size
    assert found.checkpoint_bytes > found.final_bytes
    whole = found.seconds(30.0)
    assert 0 < whole.low <= whole.middle <= whole.high < 10


def test_a_slow_learner_is_measured_with_one_image(tmp_path: Path) -> None:
    found = tried(toy(), tmp_path, FitPlan(images=80, seed=0, micro_batch=4), Patience(2, 4, seconds=0.0))
    assert (found.micro_batch, found.measured) == (4, 1)
    assert all(len(t.seconds) == 2 and t.images == 1 for t in found.turns)


class Hungry(ToyLearner):
    """Its loss keeps 24 MiB for each image until the backward pass."""

    def loss(self, batch: Batch, step: int) -> Losses:
        losses = super().loss(batch, step)
        kept = torch.ones(len(batch.seeds), MEGABYTES, 1 << 18) * losses.total
        return Losses(losses.total + 0 * (kept * kept).mean(), losses.parts)


def forecast_memory(tmp_path: Path) -> None:
    """What is kept: the product, its square, their gradients; the same for every image.

    One image is charged with what the process takes besides, some tens of MiB: its forecast errs upwards.
    """
    learner = Hungry(ToySettings(batch=4), Build((16, 16), 0, CPU, Alone()))
    one = tried(learner, tmp_path, FitPlan(images=8, seed=0), Patience(2, 2, seconds=0.0))
    assert one.measured == 1
    all_four = tried(learner, tmp_path, FitPlan(images=8, seed=0), Patience(2, 2, seconds=60.0))
    assert all_four.measured == 4
    assert one.memory.per_image > 2 * MEGABYTES * 2**20
    assert 0.9 * all_four.memory.per_image < one.memory.per_image < all_four.memory.per_image + 100 * 2**20


def test_memory_of_a_batch_is_forecast_from_one_image(tmp_path: Path) -> None:
    """In a process of its own: what other tests have freed would be taken again without a trace."""
    process = multiprocessing.get_context("spawn").Process(target=forecast_memory, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 0


class Forgetful(ToyLearner):
    """Loading its state changes it."""

    def __init__(self, settings: ToySettings, build: Build) -> None:
        super().__init__(settings, build)
        self.module.register_load_state_dict_post_hook(_changed)


def _changed(module: ToyNetwork, keys: object) -> None:
    module.down.weight.data.add_(1.0)


def test_a_checkpoint_that_does_not_come_back_is_found(tmp_path: Path) -> None:
    learner = Forgetful(ToySettings(), Build((16, 16), 0, CPU, Alone()))
    with pytest.raises(IntegrityError, match="did not come back as it was written"):
        tried(learner, tmp_path, FitPlan(images=80, seed=0))


def test_a_micro_batch_is_never_larger_than_the_batch(tmp_path: Path) -> None:
    plan = dataclasses.replace(FitPlan(images=80, seed=0), micro_batch=100)
    assert tried(toy(), tmp_path, plan).micro_batch == 8
