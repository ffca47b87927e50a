"""Edited code gives new numbers: a copy of the program, one line of it changed, against the cache of before.

Every case runs the command line in processes of its own, as a user does between two edits.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

PLUGIN = """
from fk_scale import SIDE
import torch
from bench.contract import Continuous, MethodEntry

METHOD = MethodEntry(name="mine", title="Mine", summary="half the size", code="mine_plugin:Mine")


class Mine:
    revision = "0123456789abcdef"  # what a careless author writes

    def __init__(self, settings, build):
        pass

    def encode(self, images):
        return Continuous(torch.nn.functional.avg_pool2d(images.float() / 255, SIDE), 0.0, 1.0)

    def decode(self, codes, noise=None):
        return torch.nn.functional.interpolate(codes.tensor, scale_factor=SIDE)
"""

SCALE = "SIDE = 4\n"


@dataclass(frozen=True)
class Bench:
    """A copy of the program with a cache, and a plug-in beside it."""

    home: Path

    def command(self, *arguments: str, code: int = 0) -> str:
        environment = {**os.environ, "PYTHONPATH": str(self.home), "BENCH_CACHE": str(self.home / "cache")}
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        asked = [sys.executable, "-m", "bench", *arguments]
        done = subprocess.run(asked, cwd=self.home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def run(self, method: str, out: str, *more: str) -> str:
        plugin = ("--plugin", "mine_plugin.py") if method == "mine" else ()
        options = ("--methods", method, "--preset", "smoke", "--device", "cpu", "--out", out, "--eval-limit", "16")
        return self.command("run", *plugin, *options, "--set", "images_seen=32", *more)

    def number(self, out: str, name: str, stage: str = "recon") -> float:
        (file,) = (path for path in (self.home / out).rglob(f"{stage}.json") if "downsample" not in str(path))
        found = json.loads(file.read_text())["metrics"]
        return float(next(m["value"] for m in found if m["name"] == name))

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.home / file
        text = path.read_text()
        assert text.count(old) == 1, (file, old, text.count(old))
        path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The program with everything of three methods in its cache."""
    home = tmp_path_factory.mktemp("program")
    for package in ("bench", "methods"):
        shutil.copytree(ROOT / package, home / package, ignore=shutil.ignore_patterns("__pycache__"))
    (home / "mine_plugin.py").write_text(PLUGIN)
    (home / "fk_scale.py").write_text(SCALE)
    bench = Bench(home)
    for method in ("mine", "vqgan", "jpeg:q=50"):
        bench.run(method, f"out-{method[:4]}")
    return bench


@pytest.fixture
def program(seen: Bench, tmp_path: Path) -> Bench:
    """A copy of it, to be edited."""
    shutil.copytree(seen.home, tmp_path / "copy", symlinks=True)
    return Bench(tmp_path / "copy")


def test_nothing_is_done_again_for_comments_docstrings_and_formatting(program: Bench) -> None:
    program.edit("mine_plugin.py", "# what a careless author writes", "# a comment\n")
    program.edit("fk_scale.py", "SIDE = 4", '"""The side."""\nSIDE = (\n    4\n)  # pixels')
    program.edit("bench/metrics/formulas/psnr.py", "from __future__", "# a comment\nfrom __future__")
    said = program.run("mine", "out-mine")
    assert said.count("done before") >= 2
    assert "cell 1 of 1)" not in said


NEIGHBOURS = '(precision and recall on Inception)",', '(precision and recall on Inception)", neighbours=1,'

CASES = {
    "the plug-in's file": ("mine", "psnr", "mine_plugin.py", "codes.tensor, scale", "1 - codes.tensor, scale"),
    "what the plug-in imports": ("mine", "psnr", "fk_scale.py", "SIDE = 4", "SIDE = 8"),
    "a loss of a method": ("vqgan", "psnr", "methods/autoencoder/learner.py", "distance = (", "distance = 0 * ("),
    "metrics": ("jpeg:q=50", "psnr", "bench/metrics/formulas/psnr.py", "255.0**2", "250.0**2"),
    "metrics/features": ("jpeg:q=50", "fd-r64", "bench/metrics/features/r64.py", ".float() / 255", ".float() / 200"),
    "metrics/measure": ("jpeg:q=50", "psnr", "bench/metrics/measure.py", "[part.mean() for", "[part.max() for"),
    "metrics/protocols": ("mine", "recall-r64", "bench/metrics/protocols.py", *NEIGHBOURS),
    "core": ("jpeg:q=50", "psnr", "bench/core/images.py", ".clamp(0, 1).mul(255)", ".clamp(0, 1).mul(250)"),
    "data": ("jpeg:q=50", "psnr", "bench/data/producing.py", "(decoded.pixels, title)", "(decoded.pixels // 2, title)"),
    "evaluate": ("jpeg:q=50", "bits-per-pixel", "bench/evaluate/rate.py", "mean / int(each[0])", "mean * 2"),
    "train": ("vqgan", "psnr", "bench/train/phases.py", "= rate * scale", "= rate * scale * 30"),
    "run/session": ("vqgan", "psnr", "bench/run/session.py", "= self.preset.precision if", "= 'bf16-mixed' if"),
    "run": ("vqgan", "psnr", "bench/run/stages/fit.py", '"initialisation")', '"another")'),
}


@pytest.mark.parametrize("case", CASES)
def test_the_line_that_a_case_changes_is_there(case: str) -> None:
    _, _, file, old, _ = CASES[case]
    text = {"mine_plugin.py": PLUGIN, "fk_scale.py": SCALE}.get(file) or (ROOT / file).read_text()
    assert text.count(old) == 1


FAST = ("what the plug-in imports", "metrics")
"""The others take a minute together; the gate's test below switches off a loss."""


@pytest.mark.parametrize("case", [c if c in FAST else pytest.param(c, marks=pytest.mark.slow) for c in CASES])
def test_one_line_changed_gives_another_number(program: Bench, case: str) -> None:
    method, metric, file, old, new = CASES[case]
    out = f"out-{method[:4]}"
    before = program.number(out, metric)
    program.edit(file, old, new)
    program.run(method, out)
    assert abs(program.number(out, metric) - before) > 1e-6 * abs(before)
    assert list((program.home / out).rglob("*.superseded")), "what was there is kept"


def test_the_gate_of_a_warm_cache_catches_a_loss_that_was_switched_off(program: Bench) -> None:
    gates = program.home / "gates.yaml"
    gates.write_text('rules:\n- {method: "*", metric: "*", absolute: 0.0, relative: 1.0e-6, both: true}\n')
    program.run("vqgan", "same")
    asked = ("compare", "out-vqga", "same", "--gate", str(gates))
    assert "No regression" in program.command(*asked)
    program.edit("methods/autoencoder/learner.py", "distance = (", "distance = 0 * (")
    program.run("vqgan", "changed")
    assert "psnr" in program.command(*asked[:2], "changed", *asked[3:], code=1)


@pytest.mark.slow
def test_an_edited_sampler_draws_anew(program: Bench) -> None:
    asked = ("--stages", "gen", "--set", "prior_images_seen=32", "--set", "samples=16")
    program.run("vqgan", "drawn", *asked)
    before = program.number("drawn", "fd-r64", "gen")
    program.edit("methods/priors/choosing.py", "(kept + gumbel)", "(kept - gumbel)")
    program.run("vqgan", "drawn", *asked)
    assert program.number("drawn", "fd-r64", "gen") != before


@pytest.mark.slow
def test_statistics_of_an_edited_network_are_refused_until_they_are_built_again(program: Bench) -> None:
    for seed in (0, 1):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 32, 32, 3), np.uint8)
        np.savez(program.home / f"{seed}.npz", arr_0=pixels)
    build = ("stats", "build", "mine", "--images", "0.npz", "--features", "r64.fc2")
    score = ("score", "--real", "mine", "--fake", "1.npz", "--metrics", "fd-r64")
    program.command(*build)
    before = program.command(*score)
    program.edit("bench/metrics/features/r64.py", ".float() / 255", ".float() / 200")
    assert "other code or other weights of r64" in program.command(*score, code=4)
    program.command(*build)
    assert program.command(*score) != before


@pytest.mark.slow
def test_an_edited_reader_of_arrays_is_asked_again(program: Bench) -> None:
    np.savez(program.home / "real.npz", arr_0=np.full((2, 32, 32, 3), 100, np.uint8))
    np.savez(program.home / "fake.npz", arr_0=np.full((2, 32, 32, 3), 110, np.uint8))
    score = ("score", "--real", "real.npz", "--fake", "fake.npz", "--metrics", "psnr", "--pair", "order")
    assert "28.1308 dB" in program.command(*score)
    program.edit("bench/data/readers/npz.py", "(height, width, 3)", "(height, width, 3) // 2")
    assert "34.1514 dB" in program.command(*score)


def test_overwrite_computes_again_training_too(seen: Bench, program: Bench) -> None:
    psnr, seconds = program.number("out-vqga", "psnr"), program.number("out-vqga", "training-seconds", "train")
    damaged = [path for kind in ("images", "measured", "runs") for path in (program.home / "cache" / kind).rglob("*")]
    before = {path: path.stat().st_ctime_ns for path in damaged if path.is_file() and path.suffix != ".lock"}
    said = program.run("vqgan", "out-vqga", "--overwrite")
    assert "done before" not in said
    assert program.number("out-vqga", "psnr") == psnr
    assert program.number("out-vqga", "training-seconds", "train") != seconds
    made_again = [path for path, time in before.items() if path.exists() and path.stat().st_ctime_ns != time]
    names = {path.name for path in made_again}
    assert {"final.safetensors", "report.json", "pixels.u8"} <= names
    assert any(path.parent.name == "measured" for path in made_again)
