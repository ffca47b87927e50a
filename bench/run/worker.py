"""One cell of a run in a process of its own: ``python -m bench.run.worker FOLDER``, with the task in the folder.

The task is plain data, and the cell is resolved again here; its results and all that it makes are files where a run
without workers has them. The folder gets the lines that the cell says and, at the end, a reply. The process ends with
the one that started it, which holds its standard input open.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.core import threads

TASK, SAID, REPLY = "task.json", "said.txt", "reply.json"
"""In a worker's folder: what it is asked for, the lines that it says, and what came of it."""

INTERRUPTED = 130


@dataclass(frozen=True)
class Task:
    """A cell as plain data: the run's configuration, the row's label and seed, and the cell's place in the run."""

    configuration: Mapping[str, Any]
    label: str
    seed: int
    place: str


def written(task: Task) -> str:
    """The task as JSON."""
    return json.dumps(asdict(task))


def work(task: Task, folder: Path) -> list[str]:
    """The results of the cell, each as JSON. Raises :class:`bench.errors.BenchError` where the cell cannot be had."""
    from bench.core import devices
    from bench.core.progress import on_stderr
    from bench.core.readings import Readings
    from bench.errors import BenchError
    from bench.results.record import to_json
    from bench.run import runner
    from bench.run.checks import sound
    from bench.run.config import run_config
    from bench.run.job import job_of
    from bench.run.opening import cells_of, open_dataset, session_of

    def say(line: str) -> None:
        with (folder / SAID).open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(line.replace("\n", " ") + "\n")

    config, readings = run_config(task.configuration, None), Readings()
    found = [cell for cell in cells_of(config, readings) if (cell.label, cell.seed) == (task.label, task.seed)]
    if len(found) != 1:
        raise BenchError(f"'{task.label}' with seed {task.seed} is no row of this run any more; run it again.")
    devices.make_deterministic(config.deterministic)
    session = session_of(config, open_dataset(config, on_stderr()), readings, on_stderr(), say)
    return [to_json(result) for result in runner.run_job(job_of(sound(found[0]), session), task.place)]


def _end_with_the_parent() -> None:
    """Ends this process when nobody holds its standard input any more."""
    while os.read(0, 1):
        pass
    os._exit(INTERRUPTED)


def main(folder: Path) -> None:
    """Executes the task in the folder and writes the reply; a :class:`bench.errors.BenchError` is a reply too."""
    from bench.core.files import write_bytes
    from bench.errors import BenchError

    task = Task(**json.loads((folder / TASK).read_text(encoding="utf-8")))
    reply: dict[str, Any] = {}
    try:
        reply["results"] = work(task, folder)
    except BenchError as error:
        reply["error"] = str(error)
    write_bytes(folder / REPLY, json.dumps(reply).encode())


if __name__ == "__main__":
    threads.settle(os.environ)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    main(Path(sys.argv[1]))
