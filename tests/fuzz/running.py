"""Runs the cases of a format in a worker that is started again wherever it ends, and counts what became of them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
"""Seconds without a word after which a case hangs."""
START = 120.0
"""Seconds for a worker to start and to make its seeds."""
FAULTS = ("traceback", "hang", "executed", "silent change", "bad sentence")


@dataclass
class Tally:
    """How many cases ended how; ``faults`` says of each that should not be what there is to know."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, number: int, outcome: str, said: str) -> None:
        """One more case."""
        self.counts[outcome] += 1
        if outcome in FAULTS:
            self.faults.append(f"{self.name} {number}: {outcome}: {said}")

    def line(self) -> str:
        """The counts in a row of the table."""
        names = ("same", "other", "refused", *FAULTS)
        total = sum(self.counts.values())
        return (
            f"{self.name:<22}{total:>6}" + "".join(f"{self.counts[n]:>15}" for n in names) + f"{self.seconds:>8.1f} s"
        )


HEAD = (
    f"{'format':<22}{'cases':>6}" + "".join(f"{n:>15}" for n in ("same", "other", "refused", *FAULTS)) + f"{'time':>10}"
)


def run(name: str, cases: int, patience: float = PATIENCE) -> Tally:
    """All cases of a format."""
    tally, first, start = Tally(name), 0, time.monotonic()
    while first < cases:
        first = _worker(tally, first, cases, patience)
    tally.seconds = time.monotonic() - start
    return tally


def _worker(tally: Tally, first: int, cases: int, patience: float) -> int:
    """One worker from case ``first`` on; the case to go on with."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as errors:
        command = [sys.executable, "-m", "tests.fuzz.worker", tally.name, str(first), str(cases), home]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        environment |= {"BENCH_CACHE": f"{home}/cache", "TMPDIR": home}
        worker = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors)
        begun, done = _follow(worker, tally, first, patience)
        if done < cases:
            hung = worker.poll() is None
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            errors.seek(0)
            text = errors.read().decode(errors="replace")
            if begun is None:
                raise RuntimeError(f"The worker of {tally.name} did not start: {text[-3000:]}")
            tally.add(begun, "hang" if hung else "traceback", f"exit {worker.returncode}\n{text[-3000:]}")
            return begun + 1
        worker.wait()
        return cases


def _follow(worker: subprocess.Popen[bytes], tally: Tally, first: int, patience: float) -> tuple[int | None, int]:
    """Counts what the worker says until it ends or falls silent: the case that it began, the first not done."""
    assert worker.stdout is not None
    begun, done, buffer = None, first, b""
    while select.select([worker.stdout], [], [], START if begun is None else patience)[0]:
        read = os.read(worker.stdout.fileno(), 1 << 16)
        if not read:
            worker.wait()
            break
        *lines, buffer = (buffer + read).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "begin" in said:
                begun = said["begin"]
            else:
                tally.add(said["case"], said["outcome"], said["said"])
                done = said["case"] + 1
    return begun, done
