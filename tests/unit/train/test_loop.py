"""The training loop: equal weights however a run was cut into micro-batches, sessions or processes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file, save_file

from bench.contract import Build
from bench.core.digest import of_weights
from bench.core.distributed import Alone
from bench.core.progress import silent
from bench.data import frozen
from bench.errors import IntegrityError, UsageError
from bench.train import checkpoint
from bench.train.batches import ImageSource
from bench.train.log import DivergedError
from bench.train.loop import FitPlan, fit
from bench.train.report import FitReport
from tests.toys import ToyLearner, ToySettings

SCRIPT = Path(__file__).parents[2] / "scripts" / "fit_toy.py"


@pytest.fixture(scope="module")
def source() -> ImageSource:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), dtype=np.uint8)
    return ImageSource(frozen.in_memory(pixels))


def learner(settings: ToySettings) -> ToyLearner:
    torch.manual_seed(0)
    return ToyLearner(settings, Build((16, 16), 0, torch.device("cpu"), Alone()))


def train(source: ImageSource, folder: Path, plan: FitPlan, settings: ToySettings) -> tuple[ToyLearner, FitReport]:
    toy = learner(settings)
    fabric = Fabric(accelerator="cpu", devices=1)
    return toy, fit(toy, source, plan, fabric, folder, silent)


def difference(one: ToyLearner, other: ToyLearner) -> float:
    mine, theirs = one.module.state_dict(), other.module.state_dict()
    return max(float((mine[name] - theirs[name]).abs().max()) for name in mine)


PLAN = FitPlan(images=240, seed=3, flip=True)


def test_loss_falls_and_the_report_counts(source: ImageSource, tmp_path: Path) -> None:
    _, report = train(source, tmp_path, PLAN, ToySettings())
    assert report.steps == 30
    assert report.images_seen == 240
    assert report.curve[-1]["main/mse"] < 0.6 * report.curve[0]["main/mse"]
    assert "extra/mse" in report.curve[3]
    assert "extra/mse" not in report.curve[2]
    # By hand: 3*4*4*width products per code, 16 codes, 8 images; forward, weight gradients, up's input gradient.
    products = 8 * 16 * 3 * 16 * 4
    main = 2 * products * (2 + 2 + 1)
    extra = 2 * products * (2 + 1)
    assert report.flops == main * 30 + extra * 9


def test_a_budget_below_the_batch_is_the_batch(source: ImageSource, tmp_path: Path) -> None:
    _, report = train(source, tmp_path, FitPlan(images=3, seed=3), ToySettings())
    assert (report.steps, report.images_seen, report.batch) == (1, 3, 3)


def test_micro_batches_give_the_same_weights(source: ImageSource, tmp_path: Path) -> None:
    whole, _ = train(source, tmp_path / "a", PLAN, ToySettings())
    pieces, report = train(source, tmp_path / "b", dataclasses.replace(PLAN, micro_batch=3), ToySettings())
    assert report.micro_batch == 3
    assert difference(whole, pieces) < 1e-5


def test_resuming_gives_the_very_same_weights(source: ImageSource, tmp_path: Path) -> None:
    whole, _ = train(source, tmp_path / "a", PLAN, ToySettings())
    often = dataclasses.replace(PLAN, save_every_seconds=0.0)
    with pytest.raises(DivergedError):
        train(source, tmp_path / "b", often, ToySettings(explode=17))
    assert torch.load(tmp_path / "b" / checkpoint.CHECKPOINT, weights_only=True)["progressed"]["step"] == 17
    resumed, report = train(source, tmp_path / "b", often, ToySettings())
    assert difference(whole, resumed) == 0.0
    assert len(report.curve) == 30


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Five times SIGKILL, each at another moment, then to the end: the weights of a run that nobody killed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(folder: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], env=environment)

    assert start(tmp_path / "whole").wait() == 0
    file = tmp_path / "killed" / checkpoint.CHECKPOINT
    for moment in (0.0, 0.11, 0.05, 0.17, 0.02):
        process = start(tmp_path / "killed")
        before = file.stat().st_mtime_ns if file.exists() else 0
        while process.poll() is None and (not file.exists() or file.stat().st_mtime_ns == before):
            time.sleep(0.005)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "killed" / checkpoint.FINAL).exists(), "the run ended before it was killed five times"
    assert start(tmp_path / "killed").wait() == 0
    whole = (tmp_path / "whole" / checkpoint.FINAL).read_bytes()
    assert (tmp_path / "killed" / checkpoint.FINAL).read_bytes() == whole


def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    """The same global batch on one and on two processes: losses of the first 20 steps and weights to 1e-4."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOY_STEPS": "20"}
    one = [sys.executable, str(SCRIPT), str(tmp_path / "one")]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    two = [*launcher, str(SCRIPT), str(tmp_path / "two")]
    for command in (one, two):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    curves = [np.loadtxt(tmp_path / name / "curve.txt") for name in ("one", "two")]
    assert curves[0].shape == (20, 2)
    np.testing.assert_allclose(curves[0], curves[1], atol=1e-4, rtol=0)
    reference, other = learner(ToySettings()), learner(ToySettings())
    checkpoint.load_final(tmp_path / "one" / checkpoint.FINAL, reference)
    checkpoint.load_final(tmp_path / "two" / checkpoint.FINAL, other)
    assert difference(reference, other) < 1e-4


def test_divergence_names_step_and_losses(source: ImageSource, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"step 11 .*main/mse = nan"):
        train(source, tmp_path, PLAN, ToySettings(explode=11))


def test_out_of_memory_halves_the_batch(source: ImageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = train(source, tmp_path / "a", PLAN, ToySettings())
    loss = ToyLearner.loss

    def short_of_memory(self: ToyLearner, batch, step):  # type: ignore[no-untyped-def]
        losses = loss(self, batch, step)
        if len(batch.seeds) > 2 and step > 4:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return losses

    monkeypatch.setattr(ToyLearner, "loss", short_of_memory)
    halved, report = train(source, tmp_path / "b", PLAN, ToySettings())
    assert report.micro_batch == 2
    assert difference(whole, halved) < 1e-5


def test_the_failed_step_holds_no_memory_while_its_checkpoint_is_read(
    source: ImageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, restore = ToyLearner.loss, checkpoint.restore
    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    def short_of_memory(self: ToyLearner, batch, step):  # type: ignore[no-untyped-def]
        activations = torch.zeros(8)
        if len(batch.seeds) > 2 and step > 4:
            held.append(weakref.ref(activations))
            raise torch.cuda.OutOfMemoryError("out of memory")
        return loss(self, batch, step)

    def watched(*arguments):  # type: ignore[no-untyped-def]
        alive.extend(tensor() is not None for tensor in held)
        return restore(*arguments)

    monkeypatch.setattr(ToyLearner, "loss", short_of_memory)
    monkeypatch.setattr(checkpoint, "restore", watched)
    train(source, tmp_path, PLAN, ToySettings())
    assert alive
    assert not any(alive)


def test_a_damaged_checkpoint_is_named(source: ImageSource, tmp_path: Path) -> None:
    (tmp_path / checkpoint.CHECKPOINT).write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(IntegrityError, match=r"checkpoint\.pt is damaged"):
        train(source, tmp_path, PLAN, ToySettings())


def test_one_flipped_bit_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    """torch.load does not look at the checksums that torch.save wrote."""
    made = learner(ToySettings())
    checkpoint.save(tmp_path, made, None, checkpoint.Progressed(step=3))
    path = tmp_path / checkpoint.CHECKPOINT
    data = bytearray(path.read_bytes())
    data[data.index(made.module.up.weight.detach().numpy().tobytes()) + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="does not have its checksum"):
        checkpoint.restore(tmp_path, made, None)


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    made = learner(ToySettings())
    checkpoint.save_final(tmp_path, made)
    path = tmp_path / checkpoint.FINAL
    state = load_file(path)
    first = sorted(state)[0]
    for change, words in (
        ({**state, "head": torch.zeros(1)}, "'head' is not expected"),
        ({name: t for name, t in state.items() if name != first}, f"'{first}' is missing"),
        ({**state, first: torch.zeros(7, 7)}, rf"'{first}' has the shape \(7, 7\) instead of"),
    ):
        save_file(change, path, {checkpoint.DIGEST: of_weights(change, None)})
        with pytest.raises(UsageError, match=words):
            checkpoint.load_final(path, made)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(IntegrityError, match="damaged"):
        checkpoint.load_final(path, made)


def test_a_changed_byte_in_finished_weights_is_found_wherever_it_is(tmp_path: Path) -> None:
    checkpoint.save_final(tmp_path, learner(ToySettings()))
    path = tmp_path / checkpoint.FINAL
    whole, kept = path.read_bytes(), checkpoint.read_final(path)
    for position in {*range(0, len(whole), max(len(whole) // 150, 1)), len(whole) - 1}:
        for flipped in (1, 32):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ flipped]) + whole[position + 1 :])
            with contextlib.suppress(IntegrityError):
                found = checkpoint.read_final(path)
                assert found.keys() == kept.keys(), position
                assert all(torch.equal(found[name], kept[name]) for name in kept), position
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(IntegrityError, match="does not have the digest that it carries"):
        checkpoint.read_final(path)
    save_file(kept, path)
    with pytest.raises(IntegrityError, match="carries no digest"):
        checkpoint.read_final(path)


def test_previews_do_not_change_the_weights(source: ImageSource, tmp_path: Path) -> None:
    plain, _ = train(source, tmp_path / "a", PLAN, ToySettings())
    toy = learner(ToySettings())
    seen: list[bool] = []

    def preview(present: object) -> dict[str, float]:
        toy.finish()
        torch.rand(3)
        seen.append(True)
        return {"psnr": 1.0}

    plan = dataclasses.replace(PLAN, previews=4)
    report = fit(toy, source, plan, Fabric(accelerator="cpu", devices=1), tmp_path / "b", silent, preview)
    assert len(seen) == len(report.previews) == 3
    assert difference(plain, toy) == 0.0


def test_tensorboard_reads_the_losses(source: ImageSource, tmp_path: Path) -> None:
    from tensorboardX.proto.event_pb2 import Event

    from bench.train.log import events

    toy = learner(ToySettings())
    fabric = Fabric(accelerator="cpu", devices=1)
    with events(tmp_path / "events") as observe:
        report = fit(toy, source, PLAN, fabric, tmp_path / "run", silent, observe=observe)
    (file,) = (tmp_path / "events").iterdir()
    data, offset, found = file.read_bytes(), 0, {}
    while offset < len(data):  # TFRecord: length, its checksum, record, its checksum
        length = int.from_bytes(data[offset : offset + 8], "little")
        event = Event.FromString(data[offset + 12 : offset + 12 + length])
        found |= {(event.step, value.tag): value.simple_value for value in event.summary.value}
        offset += 12 + length + 4
    assert found[30, "main/mse"] == pytest.approx(report.curve[-1]["main/mse"])
    assert len({step for step, _ in found}) == 30
