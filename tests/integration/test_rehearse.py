"""``validate --rehearse``: forecasts near what a run takes, nothing left behind, and what does not fit is said."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.results.record import Result, from_json
from tests import sources
from tests.conftest import Command

STAGES = ("train", "recon", "cost", "prior", "sample", "gen")
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "days": 86400.0}


@pytest.fixture
def pictures(cache: Path, tmp_path: Path) -> str:
    """A folder of 40 pictures as the command line names it."""
    names = [f"{split}/{i}.png" for split, count in (("train", 32), ("val", 8)) for i in range(count)]
    files = {name: sources.encoded(i, height=40, width=48) for i, name in enumerate(names)}
    return f"folder:{sources.folder(tmp_path / 'pictures', files)}"


def tree(folder: Path) -> dict[str, int]:
    """Every file with its time of change."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def forecasts(out: str) -> dict[tuple[str, str], float]:
    """The median seconds by method and stage."""
    found, method = {}, ""
    for line in out.splitlines():
        if match := re.match(r"(\S+), seed \d+$", line):
            method = match[1]
        elif match := re.match(r"  (\w+) +time ([\d.]+) (s|min|h|days)", line):
            found[method, match[1]] = float(match[2]) * UNITS[match[3]]
    return found


def results(out: Path) -> dict[tuple[str, str], Result]:
    found = [from_json(path.read_text(), str(path)) for path in out.rglob("*.json")]
    return {(result.method, result.stage): result for result in found}


METHODS = ("vqgan", "rqvae", "kl-ldm", "vq-ldm", "brics", "dct")


def test_every_trained_method_is_rehearsed_in_all_stages_and_nothing_is_left(
    pictures: str, cache: Path, tmp_path: Path, command: Command
) -> None:
    """The forecast of each training is within a factor of what it then takes (the machine may be busy)."""
    flags = ("--methods", ",".join(METHODS), "--preset", "smoke", "--dataset", pictures, "--out", str(tmp_path / "r"))
    few = ("--stages", ",".join(STAGES), "--set", "samples=16")
    time.sleep(0.5)  # digests of files that change within the clock's tick are not remembered
    assert command("validate", *flags).code == 0
    before = tree(cache)
    done = command("validate", "--rehearse", *flags, *few)
    assert done.code == 0, done.err + done.out
    assert tree(cache) == before
    assert not list((tmp_path / "r").rglob("*"))
    found = forecasts(done.out)
    assert set(found) == {(m, s) for m in METHODS for s in STAGES} - {("dct", "train")}
    ran = command("run", *flags, *few)
    assert ran.code == 0, ran.err
    assert "stage 6 of 6 of cell 2 of 6" in ran.err
    measured = results(tmp_path / "r")
    for method in METHODS:
        for stage in ("train", "prior"):
            if (method, stage) in found:
                truth = measured[method, stage].facts["seconds"]
                assert truth / 8 < found[method, stage] < truth * 8 + 5, (method, stage, found[method, stage], truth)


def test_each_phase_is_taken_before_and_after_its_start(pictures: str, tmp_path: Path, command: Command) -> None:
    """With a discriminator and LPIPS from step 50 of 80, without their weights: stand-ins, and said."""
    method = "vqgan:disc_weight=0.8,disc_start=50,perceptual_weight=1"
    done = command(
        *("validate", "--rehearse", "--methods", method, "--preset", "smoke", "--dataset", pictures),
        *("--stages", "train", "--out", str(tmp_path / "r")),
    )
    assert done.code == 0, done.err + done.out
    assert "phases autoencoder, discriminator" in done.out
    assert "random weights in its place (a stand-in)" in done.out
    assert "vgg16" in done.out


@pytest.mark.usefixtures("cache")
def test_what_does_not_fit_is_said_with_the_remedy(pictures: str, tmp_path: Path, command: Command) -> None:
    """A batch of a million images in one forward pass, and millions of samples."""
    done = command(
        *("validate", "--rehearse", "--methods", "vqgan:batch=1000000", "--preset", "smoke", "--dataset", pictures),
        *("--set", "samples=9000000", "--stages", "sample", "--out", str(tmp_path / "r")),
    )
    assert done.code == 2, done.err + done.out
    assert re.search(r"does not fit: 'vqgan:batch=1000000', train: needs .* give --micro-batch \d+", done.err)
    assert "checkpointing=true" in done.err
    smaller = command(
        *("validate", "--rehearse", "--methods", "vqgan:batch=1000000", "--preset", "smoke", "--dataset", pictures),
        *("--stages", "train", "--micro-batch", "8", "--out", str(tmp_path / "r")),
    )
    assert smaller.code == 0, smaller.err + smaller.out


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the memory of a process's data")
def test_a_cell_that_runs_out_of_memory_does_not_end_the_others(pictures: str, cache: Path, tmp_path: Path) -> None:
    """In two gigabytes an autoencoder 1024 channels wide cannot take a step; the small one can."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench", "validate", "--rehearse"),
            *("--methods", "vqgan:ch=1024,norm_groups=32", "--methods", "vqgan", "--preset", "smoke"),
            *("--dataset", pictures, "--stages", "train", "--out", str(tmp_path / "r")),
        ],
        env={**os.environ, "BENCH_CACHE": str(cache)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "failed: 'vqgan:ch=1024,norm_groups=32' seed 0, train: out of memory; give --micro-batch 1" in done.stderr
    assert ("vqgan", "train") in forecasts(done.stdout)
    assert "Traceback" not in done.stderr


def test_a_long_run_names_the_rehearsal_and_a_short_one_does_not(toy: str, tmp_path: Path, command: Command) -> None:
    """The line comes before any work: the run ends at once, as its results folder cannot be written."""
    from bench.cli.rehearse import offer
    from bench.run.config import RunConfig

    assert "validate --rehearse" in offer(RunConfig(("vqgan",), preset="paper"))[0]
    assert offer(RunConfig(("vqgan",), preset="paper", set=("images-seen=8",))) == []
    assert offer(RunConfig(("vqgan",), preset="paper", stages=("cost",))) == []
    assert offer(RunConfig(("vqgan",), preset="small")) == []
    arguments = ["--plugin", toy, "--methods", "toy", "--preset", "smoke", "--out", str(tmp_path / "r"), "--limit", "8"]
    done = command("run", *arguments, "--set", "images_seen=100000", "--set", "resolution=8", "--stages", "train")
    assert done.code == 0, done.err
    assert "validate --rehearse" in done.err
