"""A run that was killed at random moments ends like one that nobody touched."""

from __future__ import annotations

import json
import os
import random
import shutil
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


def blocks(cache: Path) -> int:
    """How many blocks of samples are drawn and not yet put together."""
    return len(list(cache.glob("images/*.blocks/*.npy")))


@pytest.mark.slow
def test_killed_shards_of_samples_resume_to_the_same_bytes(tmp_path: Path) -> None:
    """Two shards of 640 samples, SIGKILL to each after its first and third block, against one run left alone."""

    def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "BENCH_CACHE": str(tmp_path / f"cache-{name}"), "OMP_NUM_THREADS": "1"}
        places = ["--results", str(tmp_path / f"results-{name}"), "--out", str(tmp_path / name)]
        command = ["sample", "kl-ldm", "--preset", "smoke", *places, "--sample-seeds", *arguments]
        return subprocess.Popen([sys.executable, "-m", "bench", *command], cwd=ROOT, env=environment)

    assert start("whole", "0").wait() == 0  # trains
    shutil.copytree(tmp_path / "cache-whole", tmp_path / "cache-killed")
    shutil.copytree(tmp_path / "results-whole", tmp_path / "results-killed")
    assert start("whole", "0-639").wait() == 0
    for shard in ("0/2", "1/2"):
        for drawn in (1, 2):
            before = blocks(tmp_path / "cache-killed")
            process = start("killed", "0-639", "--shard", shard)
            while blocks(tmp_path / "cache-killed") < before + drawn and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        assert start("killed", "0-639", "--shard", shard).wait() == 0
    whole, killed = (sorted((tmp_path / name).iterdir()) for name in ("whole", "killed"))
    assert len(killed) == 640
    assert [p.read_bytes() for p in killed] == [p.read_bytes() for p in whole]
