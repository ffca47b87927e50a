"""The disk of a training: estimated from shapes, compared with what is free, and nothing lost where it fills up."""

from __future__ import annotations

import resource
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from bench.contract import Build
from bench.core import files
from bench.core.distributed import Alone
from bench.core.progress import silent
from bench.core.registry import load, method_of
from bench.data import frozen
from bench.errors import BenchError, UsageError
from bench.train import batches, checkpoint, space
from bench.train.batches import ImageSource
from bench.train.loop import FitPlan, fit
from methods import METHODS
from tests.toys import ToyLearner, ToySettings

SIDE = 32
PLAN = FitPlan(images=16, seed=0, save_every_seconds=0.0)
FULL = Path("/dev/full")


def learner(name: str, device: str = "cpu"):
    """A method at ``smoke`` with discriminator and moving average where it can have them."""
    torch.manual_seed(0)
    built = Build((SIDE, SIDE), 0, torch.device(device), Alone())
    if name == "toy":
        return ToyLearner(ToySettings(width=64), built)
    entry = load(METHODS[name])
    settings = entry.settings("smoke", None)
    if name == "brics":
        losses = replace(settings.losses, adversarial=1.0, r1=1.0, r1_every=1, discriminator_base=256)
        return method_of(entry).learner(replace(settings, losses=losses, half_life=50.0, batch=4), built)
    return method_of(entry).learner(replace(settings, disc_weight=0.8, disc_start=0, disc_width=8, batch=4), built)


def source() -> ImageSource:
    return ImageSource(frozen.in_memory(np.random.default_rng(0).integers(0, 256, (16, 3, SIDE, SIDE), np.uint8)))


@pytest.mark.parametrize("name", ["toy", "vqgan", "kl-ldm", "brics"])
def test_the_estimate_covers_the_files_and_is_near_them(name: str, tmp_path: Path) -> None:
    made, sizes = learner(name), []

    def watch(step: int, point: object) -> None:
        sizes.append((tmp_path / checkpoint.CHECKPOINT).stat().st_size)

    before = space.needed(made)
    fit(made, source(), PLAN, Fabric(accelerator="cpu", devices=1), tmp_path, silent, observe=watch)
    final = (tmp_path / checkpoint.FINAL).stat().st_size
    assert max(sizes) <= before.checkpoint <= 1.3 * max(sizes) + space.PROGRESS
    assert final <= before.final <= 1.6 * final
    assert before.most == 2 * before.checkpoint
    with torch.device("meta"):
        assert space.needed(learner(name, "meta")) == before


def test_too_little_space_is_refused_with_both_sizes(tmp_path: Path) -> None:
    assert space.free(tmp_path / "not" / "there") == pytest.approx(space.free(tmp_path), rel=0.05)
    space.check("vqgan", 1000, tmp_path, 1000)
    with pytest.raises(UsageError, match=r"'vqgan': its checkpoints need 3\.2 GB in .*, where 12\.0 MB are free; .*"):
        space.check("vqgan", 3_200_000_000, tmp_path, 12_000_000)


def test_a_batch_that_processes_cannot_share_is_refused() -> None:
    batches.check_divisible(12, 4)
    with pytest.raises(UsageError, match=r"A batch of 12 cannot be divided among 5 processes; .*--device cuda:0"):
        batches.check_divisible(12, 5)


def test_a_disk_that_is_full_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next checkpoint's temporary file, whose name is known for once, is the device that is always full."""
    monkeypatch.setattr(secrets, "token_hex", lambda count: "00" * count)
    whole, folder = learner("toy"), tmp_path / "stopped"
    fabric = Fabric(accelerator="cpu", devices=1)
    fit(whole, source(), PLAN, fabric, tmp_path / "whole", silent)
    file = folder / checkpoint.CHECKPOINT
    kept: list[bytes] = []

    def fill(step: int, point: object) -> None:
        kept.append(file.read_bytes())
        files.unique(file, ".tmp").symlink_to(FULL)

    with pytest.raises(BenchError, match=r"The disk is full: .*checkpoint\.pt was not written"):
        fit(learner("toy"), source(), PLAN, fabric, folder, silent, observe=fill)
    assert [path.name for path in folder.iterdir()] == [checkpoint.CHECKPOINT]
    assert file.read_bytes() == kept[-1]
    resumed = learner("toy")
    fit(resumed, source(), PLAN, fabric, folder, silent)
    for one, other in zip(whole.module.state_dict().values(), resumed.module.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@contextmanager
def cap(size: int) -> Iterator[None]:
    """The system refuses to make any file larger than ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("width", "size"), [(64, 10_000), (20_000, 1_000_000)])
def test_files_that_the_system_refuses_are_one_sentence_and_leave_nothing(
    width: int, size: int, tmp_path: Path
) -> None:
    """Where the file ends within one tensor, torch says nothing of the system's error but an own one."""
    made = ToyLearner(ToySettings(width=width), Build((SIDE, SIDE), 0, torch.device("cpu"), Alone()))
    with cap(size), pytest.raises(BenchError, match=r"final\.safetensors was not written \(.*File too large"):
        checkpoint.save_final(tmp_path, made)
    with cap(size), pytest.raises(BenchError, match=r"checkpoint\.pt was not written \(.*File too large"):
        checkpoint.save(tmp_path, made, None, checkpoint.Progressed())
    assert not list(tmp_path.iterdir())


FILLING = """
import sys
from pathlib import Path
import torch
from bench.errors import BenchError
from bench.train import checkpoint
from bench.train.checkpoint import Progressed

class Learner:
    module, phases = torch.nn.Linear(600, 600), ()

folder = Path(sys.argv[1])
for work in (
    lambda: checkpoint.save(folder, Learner(), None, Progressed()),
    lambda: checkpoint.save_final(folder, Learner()),
):
    try:
        work()
    except BenchError as error:
        print(error)
print(list(folder.iterdir()))
"""


@pytest.mark.parametrize("size", ["64k", "1m", "1400k"])
def test_a_disk_that_fills_up_amid_a_checkpoint_is_one_sentence(tmp_path: Path, size: str) -> None:
    mounted = 'mount -t tmpfs -o size="$1" none "$2" && exec "$3" -c "$4" "$2"'
    asked = ["unshare", "--mount", "sh", "-c", mounted, "sh", size, str(tmp_path), sys.executable, FILLING]
    if subprocess.run([*asked[:4], "mount -t tmpfs none /mnt"], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("The disk is full: ") == 2
    assert done.stdout.splitlines()[-1] == "[]"
