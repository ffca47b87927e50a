"""Cells in processes of this machine: a backend of :mod:`bench.run.executors`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bench
from bench.core import threads
from bench.core.files import explained, folder_name, unique
from bench.results.record import from_json
from bench.run.executors import Ended
from bench.run.worker import REPLY, SAID, TASK, Task, written

PATIENCE = 0.5
"""Seconds that an interrupted worker has to tidy up."""
TICK = 0.05


@dataclass
class _Worker:
    """A process, the folder that it speaks through, and how much of its lines was read."""

    process: subprocess.Popen[bytes]
    folder: Path
    log: Path
    heard: int = 0


@dataclass
class LocalProcesses:
    """At most ``slots`` workers at a time, each with its share of this process's threads; logs go into ``logs``."""

    slots: int
    logs: Path
    _workers: list[_Worker] = field(default_factory=list)
    _home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="bench-workers-")))

    def submit(self, task: Task) -> int:
        """Starts a worker for the task."""
        ticket = len(self._workers)
        folder = self._home / str(ticket)
        folder.mkdir()
        (folder / TASK).write_text(written(task), encoding="utf-8")
        with explained(self.logs):
            self.logs.mkdir(parents=True, exist_ok=True)
        log = unique(self.logs / f"{folder_name(task.label)}-seed{task.seed}", ".log")
        environment = threads.divided(os.environ, self.slots)
        program = str(Path(str(bench.__file__)).parents[1])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [program, os.environ.get("PYTHONPATH")]))
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.run.worker", str(folder)],
                stdin=subprocess.PIPE,  # held open: a worker whose starter is gone ends
                stdout=file,
                stderr=file,
                env=environment,
                start_new_session=True,  # the terminal's Ctrl-C reaches the starter alone, which ends the workers
            )
        self._workers.append(_Worker(process, folder, log))
        return ticket

    def wait(self, tickets: Sequence[int], seconds: float) -> list[int]:
        """Those of the tickets whose worker has ended, after so many seconds at most."""
        until = time.monotonic() + seconds
        while True:
            ended = [ticket for ticket in tickets if self._workers[ticket].process.poll() is not None]
            if ended or time.monotonic() >= until:
                return ended
            time.sleep(TICK)

    def result(self, ticket: int) -> Ended:
        """What came of an ended worker."""
        worker = self._workers[ticket]
        code, reply = worker.process.returncode, worker.folder / REPLY
        if reply.exists():
            said = json.loads(reply.read_text(encoding="utf-8"))
            results = tuple(
                from_json(text, f"the reply of a worker ({worker.log})") for text in said.get("results", ())
            )
            return Ended(str(worker.log), results, said.get("error"))
        if code < 0 or code == 128 + signal.SIGKILL:
            return Ended(str(worker.log), died=f"signal {-code if code < 0 else code - 128}")
        return Ended(str(worker.log), error=f"its worker ended with exit code {code} and no result; see {worker.log}")

    def progress(self, ticket: int) -> list[str]:
        """The lines that the worker has said since the last call."""
        worker = self._workers[ticket]
        path = worker.folder / SAID
        if not path.exists():
            return []
        whole = path.read_bytes()[worker.heard :].rpartition(b"\n")
        worker.heard += len(whole[0]) + len(whole[1])
        return whole[0].decode("utf-8", "surrogateescape").splitlines()

    def close(self) -> None:
        """Ends every worker that is left, and all that it started; removes their folders, and keeps the logs."""
        left = [worker.process for worker in self._workers if worker.process.poll() is None]
        for process in left:
            _send(process, signal.SIGINT)
        until = time.monotonic() + PATIENCE
        while any(process.poll() is None for process in left) and time.monotonic() < until:
            time.sleep(TICK)
        for process in left:
            _send(process, signal.SIGKILL)
        for process in left:
            process.wait()
        for worker in self._workers:
            assert worker.process.stdin is not None, "it was started with a pipe"
            worker.process.stdin.close()
        shutil.rmtree(self._home, ignore_errors=True)


def _send(process: subprocess.Popen[bytes], number: int) -> None:
    """A signal to the worker's whole group; nothing where it has ended."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
