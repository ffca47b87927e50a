"""Several runs at once on one cache and one results folder: none fails, and what one makes the others find."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.run import experiment
from bench.run.config import RunConfig

ROOT = Path(__file__).parents[2]


def started(cache: Path, *arguments: str) -> subprocess.Popen[str]:
    """``python -m bench ARGUMENTS`` in a process of its own, which hears an interrupt.

    A process that a shell starts in the background does not, and neither would those that it starts itself.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bench", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, preexec_fn=_hearing_interrupts
    )


def _hearing_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def numbers(out: Path) -> dict[str, object]:
    """Every number of every result, without what a clock measured."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*.json")):
        raw = json.loads(path.read_text())
        values = {m["name"]: m["value"] for m in raw["metrics"] if m["name"] != "training-seconds"}
        found[str(path.relative_to(out))] = (raw["status"], values)
    return found


def together(cache: Path, count: int, *arguments: str) -> list[str]:
    """What so many equal runs at once say on stderr; each ends with 0."""
    runs = [started(cache, *arguments) for _ in range(count)]
    said = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0] * count, "\n".join(said)
    return said


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 6])
def test_equal_runs_at_once_all_end_well(plugin: str, tmp_path: Path, count: int) -> None:
    small = ("--set", "images_seen=64", "--set", "previews=0", "--limit", "32", "--eval-limit", "8")
    asked = ("run", "--plugin", plugin, "--methods", "toy", "--preset", "smoke", "--device", "cpu", *small)
    out = tmp_path / "r"
    said = together(tmp_path / "c", count, *asked, "--out", str(out))
    found = numbers(out)
    assert {status for status, _ in found.values()} == {"ok", "not-applicable"}
    assert any("downsample" in name for name in found), "the floor"
    measured = [line for text in said for line in text.splitlines() if ", recon (stage" in line and "toy" in line]
    assert len(measured) == 1, "one measures, the others wait and find it"
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".tmp", ".partial")]
    assert not list(out.rglob("*.lock"))


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 6])
def test_runs_of_built_in_methods_at_once_equal_one_alone(tmp_path: Path, count: int) -> None:
    asked = ("run", "--methods", "downsample,jpeg:q=50,vqgan", "--preset", "smoke", "--device", "cpu", "--out")
    together(tmp_path / "c", count, *asked, str(tmp_path / "many"))
    together(tmp_path / "alone", 1, *asked, str(tmp_path / "one"))
    assert numbers(tmp_path / "many") == numbers(tmp_path / "one")


HOLDING = """
import sys, time
from pathlib import Path
from bench.core.files import alone
with alone(Path(sys.argv[1]), lambda: None):
    print("held", flush=True)
    sys.stdin.readline()
"""


def holder_of(path: Path) -> subprocess.Popen[str]:
    """A process that works on ``path`` until it is told to end."""
    command = [sys.executable, "-c", HOLDING, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    holder = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


@pytest.mark.usefixtures("toy")
def test_a_result_that_another_process_makes_is_waited_for_unless_it_was_killed(tmp_path: Path) -> None:
    config = RunConfig(("jpeg:q=50",), preset="smoke", stages=("recon",), eval_limit=8, out=tmp_path)
    said: list[str] = []
    _, first = experiment.run(config, with_floor=False)
    (file,) = tmp_path.rglob("recon.json")
    file.rename(aside := file.with_suffix(".aside"))
    holder = holder_of(file)

    def say(line: str) -> None:
        said.append(line)
        if "another process is at it" in line:
            aside.rename(file)
            holder.communicate("end\n")

    _, second = experiment.run(config, say=say, with_floor=False)
    assert second == first
    assert sum("another process is at it" in line for line in said) == 1
    assert "done before" in said[-1]
    file.unlink()
    killed = holder_of(file)
    killed.kill()
    killed.wait()
    said.clear()
    _, third = experiment.run(config, say=said.append, with_floor=False)
    assert third.metrics == first.metrics
    assert not any("another process" in line for line in said)
    assert not list(tmp_path.rglob("*.lock"))
