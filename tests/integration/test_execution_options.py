"""Options of how networks are executed: they reach the methods, mark speeds, and fail in one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.core.devices import check_compiler
from bench.core.progress import silent
from bench.errors import UsageError
from bench.run.config import RunConfig
from bench.run.presets import PRESETS
from bench.run.session import Session, Tables
from tests.conftest import Command
from tests.toys import smoke

ROOT = Path(__file__).parents[2]
SHORT = ("--set", "images_seen=16", "--eval-limit", "8")


def recon(out: Path) -> dict:
    (file,) = out.glob("photos-smoke-images_seen=16*/toy/seed0/recon.json")
    return json.loads(file.read_text())


def session(**flags: bool) -> Session:
    config = RunConfig(methods=("toy",), **flags)
    return Session(config, PRESETS["smoke"], None, Tables({}, {}, {}), None, Path(), silent, print)  # type: ignore[arg-type]


def test_methods_are_built_as_the_flags_say() -> None:
    plain, changed = session(), session(channels_last=True, compile=True)
    cpu, meta = torch.device("cpu"), torch.device("meta")
    built = [(b.channels_last, b.compile) for b in (plain.build(0, cpu, None), changed.build(0, cpu, None))]
    assert built == [(False, False), (True, True)]
    assert not changed.build(0, meta, None).compile, "shapes alone are counted, not compiled"
    assert (plain.execution, changed.execution) == ({}, {"channels-last": True, "compiled": True})


def test_a_speed_says_how_it_was_executed(toy: str, tmp_path: Path, command: Command) -> None:
    arguments = smoke(toy, tmp_path / "r", *SHORT, "--stages", "recon", "--clock")
    signatures = []
    for more in ((), ("--channels-last",)):
        done = command(*arguments, *more)
        assert done.code == 0, done.err
        assert "recon: done before" not in done.err.replace("downsample:8 seed 0, recon: done before", "")
        found = recon(tmp_path / "r")
        assert found["arguments"]["channels_last"] is bool(more)
        signatures.append(next(m for m in found["metrics"] if m["name"] == "decode-images-per-second")["signature"])
    assert signatures[1] == {**signatures[0], "channels-last": True}


def test_the_precision_of_the_preset_is_that_of_the_training_on_the_cpu_too(
    toy: str, tmp_path: Path, command: Command
) -> None:
    revisions = []
    for precision in ("32-true", "bf16-mixed"):
        out = tmp_path / precision
        done = command(*smoke(toy, out, *SHORT, "--set", f"precision={precision}", "--device", "cpu"))
        assert done.code == 0, done.err
        revisions.append(recon(out)["facts"]["revision"])
    assert revisions[0] != revisions[1]


def test_a_missing_compiler_is_one_sentence_before_any_work(
    toy: str, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise RuntimeError("No working C++ compiler found in\n  torch._inductor.config.cpp.cxx: (None, 'g++')")

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(UsageError, match=r"cannot compile for 'cpu' here \(No working C\+\+ compiler found in torch"):
        check_compiler(torch.device("cpu"))
    done = command(*smoke(toy, tmp_path / "r", "--compile", "--device", "cpu"))
    assert done.code == 2
    assert "leave --compile out" in done.err
    assert not list((tmp_path / "r").rglob("*.json"))


def bench(folder: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "BENCH_CACHE": str(folder / "cache"), **environment}
    flags = ("train", "--methods", "vqgan", "--preset", "smoke", "--device", "cpu", "--set", "images_seen=48")
    command = [sys.executable, "-m", "bench", *flags, "--out", str(folder / "out"), *more]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_compiled_training_is_the_same_training(tmp_path: Path) -> None:
    curves = []
    for name, more in (("plain", ()), ("compiled", ("--compile",))):
        done = bench(tmp_path / name, *more)
        assert done.returncode == 0, done.stderr
        (file,) = (tmp_path / name / "out").rglob("train.json")
        facts = json.loads(file.read_text())["facts"]
        curves.append(([point["autoencoder/total"] for point in facts["curve"]], facts["flops"]))
    np.testing.assert_allclose(curves[0][0], curves[1][0], rtol=1e-3)
    assert curves[0][1] == curves[1][1], "operations are counted in a step that is not compiled"


@pytest.mark.slow
def test_a_compiler_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = bench(tmp_path, "--compile", CXX="/nowhere/g++")
    assert done.returncode == 2
    assert "torch cannot compile for 'cpu' here" in done.stderr
    assert "Traceback" not in done.stderr
