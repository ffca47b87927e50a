"""A run that was killed at random moments ends like one that nobody touched."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VOLATILE = {"training-seconds"}


def numbers(out: Path) -> dict[str, object]:
    """Every number of every result, and the curves, without what a clock measured."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*.json")):
        raw = json.loads(path.read_text())
        for metric in raw["metrics"]:
            if metric["name"] not in VOLATILE:
                found[f"{path.relative_to(out)}:{metric['name']}"] = metric["value"]
        found[f"{path.relative_to(out)}:facts"] = {k: v for k, v in raw["facts"].items() if k != "seconds"}
    return found


@pytest.mark.slow
def test_five_kills_change_nothing(tmp_path: Path) -> None:
    """Two methods at the smoke preset; SIGKILL at five moments drawn over the length of a whole run."""

    def start(name: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "BENCH_CACHE": str(tmp_path / f"cache-{name}"), "OMP_NUM_THREADS": "1"}
        arguments = ["run", "--methods", "vqgan,brics", "--preset", "smoke", "--out", str(tmp_path / name)]
        return subprocess.Popen([sys.executable, "-m", "bench", *arguments], cwd=ROOT, env=environment)

    began = time.monotonic()
    assert start("whole").wait() == 0
    length = time.monotonic() - began
    moments = random.Random(length)
    kills = 0
    while kills < 5:
        process = start("killed")
        try:
            process.wait(moments.uniform(0.1, 0.6) * length)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert start("killed").wait() == 0
    assert numbers(tmp_path / "killed") == numbers(tmp_path / "whole")
