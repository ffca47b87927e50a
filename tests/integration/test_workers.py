"""Cells in worker processes: the results of one process, whoever dies on the way, and nothing left running."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet

from bench.core import threads
from bench.errors import UsageError
from bench.run import executors, experiment
from bench.run.config import RunConfig

from .test_at_once import numbers, started
from .test_parts import config

SMOKE = ("--preset", "smoke", "--device", "cpu")


def workers_of(parent: int) -> list[int]:
    """The worker processes that a process has started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            parts = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdecimal() else []
            line = (entry / "cmdline").read_bytes() if parts else b""
        except OSError:
            continue  # it has ended
        if parts and int(parts[1]) == parent and b"bench.run.worker" in line:
            found.append(int(entry.name))
    return found


def files(out: Path) -> dict[str, object]:
    """What stands in every Parquet file, and the bytes of every picture."""
    tables = {str(p.relative_to(out)): parquet.read_table(p).to_pydict() for p in sorted(out.rglob("*.parquet"))}
    return {**tables, **{str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*.png"))}}


def test_workers_make_what_one_process_makes(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = experiment.run(config(toy, tmp_path / "one", seeds=(0,)))
    said: list[str] = []
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    together = experiment.run(config(toy, tmp_path / "two", seeds=(0,), workers=2), say=said.append)
    order = [(r.method, r.seed, r.stage, r.status) for r in alone]
    assert [(r.method, r.seed, r.stage, r.status) for r in together] == order
    assert numbers(tmp_path / "two") == numbers(tmp_path / "one")
    assert files(tmp_path / "two") == files(tmp_path / "one")
    assert any(line.startswith("toy seed 0, train (stage 1 of 2 of cell 3 of 3)") for line in said)
    assert len(list((tmp_path / "cache" / "logs").glob("*.log"))) == 3
    assert "workers" not in together[0].arguments
    assert not workers_of(os.getpid())


FAULTY = """
import dataclasses, os, signal, sys
from pathlib import Path
from bench.contract import Method, MethodEntry
from tests.toys import ENTRY, METHOD as TOY, ToyLearner

class Learner(ToyLearner):
    def __init__(self, settings, build):
        file = Path(os.environ["DEATHS"])
        left = int(file.read_text()) if sys.argv[0].endswith("worker.py") else 0
        if left > 0:
            file.write_text(str(left - 1))
            os.kill(os.getpid(), signal.SIGKILL)
        if left < 0:
            os._exit(9)
        super().__init__(settings, build)

CODE = dataclasses.replace(TOY, learner=Learner)
METHOD = dataclasses.replace(ENTRY, name="NAME", code="plugin_NAME:CODE")
"""


@pytest.fixture
def mortal(toy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], str]:
    """Makes a plug-in whose worker is killed in so many trainings, or ends by itself where that is -1."""
    del toy

    def make(name: str, deaths: int) -> str:
        plugin, left = tmp_path / f"plugin_{name}.py", tmp_path / "deaths"
        plugin.write_text(FAULTY.replace("NAME", name))
        left.write_text(str(deaths))
        monkeypatch.setenv("DEATHS", str(left))
        return str(plugin)

    return make


@pytest.mark.parametrize(
    ("name", "deaths", "statuses", "said"),
    [
        ("once", 1, ["ok", "ok"], ["its worker died (signal 9); again, 1 of 3"]),
        (
            "always",
            9,
            ["failed"],
            ["again, 3 of 3", r"died 4 times, the last time of signal 9; see .*\.log"],
        ),
        ("wrong", -1, ["failed"], [r"its worker ended with exit code 9 and no result; see .*\.log"]),
    ],
)
def test_a_killed_worker_is_replaced_and_a_wrong_program_is_not(
    mortal: Callable[[str, int], str], tmp_path: Path, name: str, deaths: int, statuses: list[str], said: list[str]
) -> None:
    heard: list[str] = []
    asked = config(mortal(name, deaths), tmp_path / "r", methods=(name, "jpeg:q=50"), seeds=(0,), workers=2)
    results = experiment.run(asked, say=heard.append, with_floor=False)
    assert [r.status for r in results if r.method == name] == statuses
    assert [r.status for r in results if r.method == "jpeg:q=50"] == ["not-applicable", "ok"]
    for words in said:
        assert any(re.search(words if "\\" in words else re.escape(words), line) for line in heard), heard
    assert sum("its worker died (" in line for line in heard) == max(0, min(deaths, executors.RETRIES))


def test_each_worker_has_its_share_of_the_threads() -> None:
    assert threads.divided({"OMP_NUM_THREADS": "9"}, 2)["OMP_NUM_THREADS"] == "4"
    assert threads.divided({"OMP_NUM_THREADS": "1"}, 4)["OMP_NUM_THREADS"] == "1"
    assert threads.divided({"OMP_NUM_THREADS": "4,2"}, 2)["OMP_NUM_THREADS"] == "4,2"
    assert threads.divided({}, 10_000) == {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def until(found: Callable[[], object], process: subprocess.Popen[str], seconds: float = 300) -> None:
    """Waits until the function finds something, for as long as the process lives."""
    limit = time.monotonic() + seconds
    while not found() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_running_when_the_run_is_interrupted_or_killed(tmp_path: Path, number: int) -> None:
    asked = ("run", "--methods", "vqgan,brics", *SMOKE, "--out", str(tmp_path / "r"), "--workers", "2")
    run = started(tmp_path / "c", *asked)
    until(lambda: len(workers_of(run.pid)) == 2, run)
    workers = workers_of(run.pid)
    assert len(workers) == 2
    began = time.monotonic()
    run.send_signal(number)
    while any(map(alive, workers)) and time.monotonic() < began + 60:
        time.sleep(0.02)
    assert time.monotonic() - began < 3
    _, err = run.communicate()
    if number == signal.SIGINT:
        assert run.returncode == 130, err
        assert "the same command resumes" in err


def alive(pid: int) -> bool:
    """Whether a process runs that is no worker waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_two_workers_equal_one_process_for_trained_methods_and_two_seeds(tmp_path: Path) -> None:
    asked = ("run", "--methods", "vqgan,rqvae,kl-ldm,brics", *SMOKE, "--seeds", "0,1", "--out")
    for name, more in (("one", ()), ("two", ("--workers", "2"))):
        run = started(tmp_path / f"cache-{name}", *asked, str(tmp_path / name), *more)
        _, err = run.communicate()
        assert run.returncode == 0, err
    assert numbers(tmp_path / "two") == numbers(tmp_path / "one")
    assert files(tmp_path / "two") == files(tmp_path / "one")


@pytest.mark.slow
def test_killed_workers_change_nothing(tmp_path: Path) -> None:
    asked = ("run", "--methods", "vqgan", *SMOKE, "--set", "images_seen=5120", "--out")
    whole = started(tmp_path / "alone", *asked, str(tmp_path / "one"))
    _, err = whole.communicate()
    assert whole.returncode == 0, err
    run = started(tmp_path / "cache", *asked, str(tmp_path / "two"), "--workers", "2")
    written: set[int] = set()

    def second_checkpoint() -> bool:
        written.update(path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("runs/*/checkpoint.pt"))
        return len(written) > 1

    def measuring() -> bool:
        return bool(list((tmp_path / "two").glob("*/vqgan/seed0/recon.json.lock")))

    for moment in (second_checkpoint, measuring):
        until(moment, run)
        for pid in workers_of(run.pid):
            os.kill(pid, signal.SIGKILL)
    _, err = run.communicate()
    assert run.returncode == 0, err
    deaths = [line for line in err.splitlines() if "its worker died" in line]
    assert deaths == [f"vqgan seed 0: its worker died (signal 9); again, {i} of 3" for i in (1, 2)]
    assert numbers(tmp_path / "two") == numbers(tmp_path / "one")
    assert files(tmp_path / "two") == files(tmp_path / "one")


def test_a_number_of_workers_is_at_least_one() -> None:
    with pytest.raises(UsageError, match="--workers is 0; it must be at least 1"):
        RunConfig(("toy",), workers=0)
