"""``run --stand-in``: every method's own losses and all six stages without a weight file, and nothing passes for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.record import STAND_IN, TRAINED_WITH, from_json, stand_ins
from tests.conftest import Command
from tests.narrow import NAMES, plugin

ROOT = Path(__file__).parents[2]
STAGES = ("train", "recon", "cost", "prior", "sample", "gen")
SHORT = ("--set", "images-seen=8", "--set", "prior-images-seen=8", "--set", "samples=4", "--set", "previews=0")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth random images of 256 px."""
    folder = tmp_path_factory.mktemp("images")
    for index in range(60):
        small = Image.fromarray(np.random.RandomState(index).randint(0, 256, (6, 6, 3)).astype(np.uint8))
        small.resize((256, 256), Image.Resampling.BICUBIC).save(folder / f"{index:03d}.png")
    return folder


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stand-in-cache")


@pytest.fixture
def run(module_cache: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command):
    """``run`` at ``paper`` on the CPU, on 64 px, with narrow methods; the cache is shared by the tests of this file."""
    monkeypatch.setenv("BENCH_CACHE", str(module_cache))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)

    def start(*names: str, out: Path = tmp_path / "out", stages: str = ",".join(STAGES), more: tuple[str, ...] = ()):
        plugins = [part for name in names for part in ("--plugin", plugin(name, tmp_path))]
        methods = ",".join(f"narrow-{name}" for name in names)
        data = ("--dataset", f"folder:{images}", "--preset", "paper", "--set", "resolution=64", "--limit", "8")
        flags = (*SHORT, "--eval-limit", "4", "--device", "cpu", "--stages", stages, "--out", str(out))
        return command("run", *plugins, "--methods", methods, *data, *flags, *more)

    return start


def results(out: Path) -> dict[tuple[str, str], object]:
    files = [file for stage in STAGES for file in out.rglob(f"{stage}.json")]
    found = [from_json(file.read_text(), str(file)) for file in files]
    return {(result.method, result.stage): result for result in found}


def test_every_method_goes_through_six_stages_and_says_stand_in(run, tmp_path: Path, command: Command) -> None:
    done = run(*NAMES, more=("--stand-in",))
    assert done.code == 0, done.err
    found = results(tmp_path / "out")
    for name in NAMES:
        for stage in STAGES if name != "dct" else STAGES[1:]:
            result = found[f"narrow-{name}", stage]
            assert result.status == "ok"
            assert all(m.value is None or np.isfinite(m.value) for m in result.metrics)
            touched = stand_ins(result.metrics)
            assert bool(touched) == (stage != "cost" and (name != "dct" or stage in ("recon", "gen"))), (name, stage)
            for m in result.metrics if stage != "cost" and name != "dct" else ():
                assert str(m.signature[TRAINED_WITH]).startswith("stand-in vgg16#")
    lpips = next(m for m in found["narrow-dct", "recon"].metrics if m.name == "lpips-alex")
    assert str(lpips.signature["weights"]).startswith("stand-in alexnet#")
    psnr = next(m for m in found["narrow-dct", "recon"].metrics if m.name == "psnr")
    assert not stand_ins([psnr]), "no network, no stand-in"
    for name in NAMES:
        assert f"narrow-{name} ({STAND_IN})" in done.out
    assert "not ranked (stand-in alexnet#" in " ".join(done.out.split())
    assert "Limited by --eval-limit" in " ".join(done.out.split())
    assert "*" not in done.out.replace("* best", ""), "nothing is ranked"
    again = run(*NAMES, more=("--stand-in",))
    assert again.code == 0
    assert again.err.count("done before") >= len(found)
