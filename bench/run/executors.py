"""Where the cells of a run are executed: in this process, or by the workers of a backend. One meaning of failure.

Results come in the order of the cells, whoever was done first. A worker that was killed is replaced, and its cell goes
on from its checkpoint; a cell whose program is wrong is not tried again; one failing cell stops no other. What is
interrupted leaves nothing running.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.core import digest
from bench.errors import BenchError
from bench.results.record import Result
from bench.run import parts, runner
from bench.run.job import Job
from bench.run.worker import Task

RETRIES = 3
"""How often a cell is given to another worker after one died."""
LOOK = 0.2
"""Seconds between two looks at what running workers say."""


@dataclass(frozen=True)
class Ended:
    """What came of a task: results, or the sentence of an ``error``, or what the worker ``died`` of; and its log."""

    log: str
    results: tuple[Result, ...] = ()
    error: str | None = None
    died: str | None = None


class Backend(Protocol):
    """What executes tasks elsewhere: processes of this machine, an engine. It never tries anything again itself."""

    @property
    def slots(self) -> int:
        """How many tasks it executes at once."""
        ...

    def submit(self, task: Task) -> int:
        """Begins a task and gives a ticket for it."""
        ...

    def wait(self, tickets: Sequence[int], seconds: float) -> list[int]:
        """Those of the tickets that have ended, after so many seconds at most."""
        ...

    def result(self, ticket: int) -> Ended:
        """What came of a ticket that has ended."""
        ...

    def progress(self, ticket: int) -> list[str]:
        """The lines that the task has said since the last call."""
        ...

    def close(self) -> None:
        """Ends everything that still runs."""
        ...


def execute(jobs: Sequence[Job], backend: Backend | None = None) -> list[Result]:
    """All results of the jobs of one session, in their order; without a backend one after another in this process.

    A failing cell has a result that says so; raises :class:`BenchError` for the first under ``fail_fast``.
    """
    if backend is None:
        return runner.run(jobs)
    try:
        return _with(backend, jobs) if jobs else []
    finally:
        backend.close()


def _with(backend: Backend, jobs: Sequence[Job]) -> list[Result]:
    names = [parts.training(job) for job in jobs]
    waiting, running = list(range(len(jobs))), dict[int, int]()
    outcomes, deaths = dict[int, Sequence[Result]](), Counter[int]()
    with jobs[0].session.progress("cells", len(jobs)) as advance:
        while waiting or running:
            while (number := _next(waiting, running, names, backend.slots)) is not None:
                waiting.remove(number)
                running[backend.submit(_task(jobs[number], f"cell {number + 1} of {len(jobs)}"))] = number
            ended = backend.wait(list(running), LOOK)
            for ticket, number in list(running.items()):
                for line in backend.progress(ticket):
                    jobs[number].session.say(line)
                if ticket not in ended:
                    continue
                del running[ticket]
                outcome = _outcome(jobs[number], backend.result(ticket), deaths, number)
                if outcome is None:
                    waiting.insert(0, number)
                else:
                    outcomes[number] = outcome
                    advance(1)
    return [result for number in range(len(jobs)) for result in outcomes[number]]


def _next(waiting: Sequence[int], running: dict[int, int], names: Sequence[str], slots: int) -> int | None:
    """The first waiting job that shares no training with a running one, which it would only wait for; None for none."""
    busy = {names[number] for number in running.values()}
    return next((n for n in waiting if names[n] not in busy), None) if len(running) < slots else None


def _task(job: Job, place: str) -> Task:
    """The job as plain data; the worker has the whole configuration, which its results keep."""
    arguments = {name: value for name, value in job.session.config.arguments.items() if value is not None}
    plain = {name: str(value) if name == "out" else digest.plain(value) for name, value in arguments.items()}
    return Task(plain, job.cell.label, job.cell.seed, place)


def _outcome(job: Job, ended: Ended, deaths: Counter[int], number: int) -> Sequence[Result] | None:
    """The results of a job; None where it is to be tried again."""
    session, name = job.session, f"{job.cell.label} seed {job.cell.seed}"
    if ended.died is not None:
        deaths[number] += 1
        if deaths[number] <= RETRIES:
            session.say(f"{name}: its worker died ({ended.died}); again, {deaths[number]} of {RETRIES}")
            return None
        return _failed(job, f"its worker died {deaths[number]} times, the last time of {ended.died}; see {ended.log}")
    if ended.error is not None:
        return _failed(job, ended.error)
    if runner.failed(ended.results):
        session.say(f"{name}: the log of its worker is {ended.log}")
    return ended.results


def _failed(job: Job, sentence: str) -> list[Result]:
    """The failure of a job without results of its own."""
    if job.session.config.fail_fast or job.session.config.debug:
        raise BenchError(f"{job.cell.label}: {sentence}")
    result = runner.lost(job, sentence)
    job.session.say(f"{job.cell.label}, {result.stage}: failed: {sentence}")
    return [result]
