"""What would stop a training is said in one sentence before it: the disk, the images, the batch."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests import sources
from tests.conftest import Command
from tests.toys import smoke

CAP = 1 << 19
"""Bytes that a process may write into one file: more than the prepared photographs need, less than a wide toy."""


def of(method: str, arguments: list[str]) -> list[str]:
    arguments[arguments.index("toy")] = method
    return arguments


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_checkpoints_that_do_not_fit_are_refused(plugin: str, tmp_path: Path, command: Command, cache: Path) -> None:
    """A toy of 10^11 channels: its checkpoints need tens of terabytes, and building it to find out none."""
    done = command(*of("toy:width=100000000000", smoke(plugin, tmp_path / "r")))
    assert done.code == 2
    assert "'toy:width=100000000000': its checkpoints need " in done.err
    assert f"GB in {cache / 'runs'}, where " in done.err
    assert "GB are free; free space there (python -m bench cache clean), or set BENCH_CACHE" in done.err
    assert not files(tmp_path / "r")
    assert not (cache / "runs").exists()


def test_validate_says_so_too(toy: str, tmp_path: Path, command: Command) -> None:
    method = ("--methods", "toy:width=100000000000", "--preset", "smoke")
    done = command("validate", "--plugin", toy, *method, "--out", str(tmp_path / "r"))
    assert done.code == 2
    assert done.err.count("missing:") == 1
    assert "its checkpoints need " in done.err


def test_a_disk_that_fills_up_later_fails_the_cell_in_one_sentence(
    plugin: str, tmp_path: Path, command: Command, cache: Path
) -> None:
    """The system refuses to write on into the checkpoint; with the limit gone the same command ends."""
    out = tmp_path / "r"
    prepared = command(*smoke(plugin, tmp_path / "first", "--stages", "train", "--set", "images_seen=8"))
    assert prepared.code == 0, prepared.err
    arguments = of("toy:width=1500", smoke(plugin, out, "--stages", "train", "--set", "images_seen=16"))
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (CAP, CAP)),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    said = [line for line in done.stderr.splitlines() if "checkpoint.pt was not written" in line]
    assert len(said) == 1
    assert "Traceback" not in done.stderr
    assert [path.name for path in files(cache / "runs") if path.suffix == ".tmp"] == []
    assert command(*arguments).code == 0


def test_images_that_are_all_too_small_are_refused(tmp_path: Path, command: Command, toy: str) -> None:
    folder = sources.split_folder(tmp_path / "data")
    done = command(*smoke(toy, tmp_path / "r", "--dataset", f"folder:{folder}"))
    assert done.code == 2
    assert "all 3 are smaller than 32 px (The image " in done.err
    assert "take a preset of a lower resolution (--preset, or --set resolution=N), or larger images." in done.err
    assert not files(tmp_path / "r")


def test_images_of_which_some_are_too_small_are_counted(tmp_path: Path, command: Command, toy: str) -> None:
    large = {f"{part}/{i}.png": sources.encoded(i, height=40, width=40) for part in ("train", "val") for i in range(4)}
    small = {"train/s.png": sources.encoded(50), "train/t.png": sources.encoded(51), "train/torn.png": b"no image"}
    folder = sources.folder(tmp_path / "data", {**large, **small})
    done = command(
        "validate", "--plugin", toy, "--methods", "toy", "--preset", "smoke", "--dataset", f"folder:{folder}",
        "--out", str(tmp_path / "r"),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "3 of 7 training images left out: 2 smaller than 32 px, 1 unreadable (for example: " in done.out
    assert "validation images left out" not in done.out


def test_a_micro_batch_that_does_not_divide_the_batch_is_taken(
    plugin: str, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12 images as 5, 5 and 2, each weighted by its share: the losses of whole batches."""
    curves = []
    for out, more in (("whole", ()), ("pieces", ("--micro-batch", "5"))):
        arguments = of("toy:batch=12,rate=0.011", smoke(plugin, tmp_path / out, "--stages", "train", "--json", *more))
        monkeypatch.setenv("BENCH_CACHE", str(tmp_path / f"cache-{out}"))
        done = command(*arguments)
        assert done.code == 0, done.err
        (result,) = json.loads(done.out)
        curves.append([point["main/mse"] for point in result["facts"]["curve"]])
        assert result["facts"]["micro_batch"] == (5 if more else 12)
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
