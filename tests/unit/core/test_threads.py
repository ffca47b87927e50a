"""Threads: as many as may be used, and none that spins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.core import threads


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000", 4), ("150000 100000", 1), ("250000 100000", 2), ("20 100000", 1)]
)
def test_a_quota_bounds_the_threads(text: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert threads.allowed(tmp_path / "cpu.max") == cores


@pytest.mark.parametrize("text", [None, "", "nonsense"])
def test_without_a_readable_quota_the_affinity_counts(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "cpu.max").write_text(text)
    assert threads.allowed(tmp_path / "cpu.max") == len(os.sched_getaffinity(0))


def test_what_is_set_stays_and_processes_share() -> None:
    given = {"OMP_NUM_THREADS": "7"}
    threads.settle(given)
    assert given == {"OMP_NUM_THREADS": "7", "OMP_WAIT_POLICY": "PASSIVE"}
    shared: dict[str, str] = {}
    threads.settle(shared, processes=10_000)
    assert shared["OMP_NUM_THREADS"] == "1"


def test_a_command_on_one_core_has_one_thread_that_sleeps(tmp_path: Path) -> None:
    """A real process, held to one core, whose result says so."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
    environment["BENCH_CACHE"] = str(tmp_path / "cache")
    flags = ["run", "--methods", "downsample:8", "--dataset", "photos", "--preset", "smoke", "--stages", "recon"]
    core = min(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "bench", *flags, "--out", str(tmp_path / "out"), "--json"]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    assert done.returncode == 0, done.stderr
    said = next((tmp_path / "out").rglob("recon.json")).read_text()
    assert '"threads": 1' in said
    assert '"idle_threads": "PASSIVE"' in said
