"""Progress of long work: one protocol, a bar on stderr, and silence."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from bench.core.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

Advance = Callable[[int], None]
"""Called with the number of units that were finished since the last call."""

Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""``with progress("train vqgan", total) as advance: ... advance(16)``."""


@contextmanager
def silent(description: str, total: int) -> Iterator[Advance]:
    """Shows nothing."""
    yield lambda count: None


SECONDS_BETWEEN_LINES = 5.0
SECONDS_BEFORE_ESTIMATE = 20.0
WORTH_SAYING = 120.0
"""Seconds left below which nothing is said of them beside the bar."""


class Estimate:
    """Units done and the time left at the rate since the first report: what a resumed run had done does not count."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.clock = total, clock
        self.done, self.reports = 0, 0
        self._first, self._began = 0, clock()

    def add(self, count: int) -> None:
        """Counts finished units; the first report only sets the mark."""
        self.done += count
        self.reports += 1
        if self.reports == 1:
            self._first, self._began = self.done, self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the first report."""
        return self.clock() - self._began

    @property
    def rate(self) -> float | None:
        """Units per second, None while there was one report at most."""
        return (self.done - self._first) / self.elapsed if self.done > self._first and self.elapsed > 0 else None

    @property
    def left(self) -> float | None:
        """Seconds for the rest at that rate."""
        return None if self.rate is None else (self.total - self.done) / self.rate


def placed(
    progress: Progress, place: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> Progress:
    """The same progress under names that begin with their ``place`` in the run.

    Of long work it says, once its rate is known, about how long the rest will take.
    """

    @contextmanager
    def shown(description: str, total: int) -> Iterator[Advance]:
        estimate, said = Estimate(total, clock), False

        def counted(count: int) -> None:
            nonlocal said
            advance(count)
            estimate.add(count)
            left = estimate.left
            if not said and left is not None and estimate.elapsed >= SECONDS_BEFORE_ESTIMATE:
                said = True
                if left >= WORTH_SAYING:
                    say(f"{place}, {description}: about {duration(left)} left")

        with progress(f"{place}, {description}", total) as advance:
            yield counted

    return shown


def bars(console: Console) -> Progress:
    """A bar with rate and time left on an interactive console; elsewhere a line now and then."""
    return _live(console) if console.is_terminal else _lines


def _live(console: Console) -> Progress:
    @contextmanager
    def progress(description: str, total: int) -> Iterator[Advance]:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=console, transient=True) as bar:
            task = bar.add_task(description, total=total, rate="-")

            def advance(count: int) -> None:
                bar.advance(task, count)
                speed = bar.tasks[0].speed
                bar.update(task, rate=per_second(speed) if speed else "-")

            yield advance

    return progress


@contextmanager
def _lines(description: str, total: int, clock: Callable[[], float] = time.monotonic) -> Iterator[Advance]:
    """A line on stderr every few seconds, for logs."""
    estimate, said = Estimate(total, clock), clock()

    def advance(count: int) -> None:
        nonlocal said
        estimate.add(count)
        now = clock()
        if now - said > SECONDS_BETWEEN_LINES and estimate.rate is not None and estimate.left is not None:
            said = now
            rate, left = per_second(estimate.rate), duration(estimate.left)
            sys.stderr.write(f"{description}: {estimate.done}/{total}, {rate}/s, {left} left\n")
            sys.stderr.flush()

    yield advance


def per_second(rate: float) -> str:
    """Whole numbers from 10 on, two digits below."""
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"


def quiet(line: str) -> None:
    """Says nothing."""


def say(line: str) -> None:
    """A line on stderr, with nothing that a terminal would obey."""
    sys.stderr.write(f"{visible(line)}\n")


def console_of_stderr() -> Console:
    """The console that bars are drawn on."""
    from rich.console import Console

    return Console(stderr=True)


def on_stderr() -> Progress:
    """What a command shows of long work: bars or lines on stderr."""
    return bars(console_of_stderr())


def counted(progress: Progress, description: str, total: int) -> Iterator[int]:
    """The numbers below ``total``; a number is finished when the next one is asked for."""
    with progress(description, total) as advance:
        for number in range(total):
            yield number
            advance(1)


def duration(seconds: float) -> str:
    """Seconds for a reader: ``4.2 s``, ``12 min``, ``3.5 h``, ``21 days``."""
    for limit, unit in ((2 * 86400, "days"), (2 * 3600, "h"), (120, "min")):
        if seconds >= limit:
            value = seconds / {"days": 86400, "h": 3600, "min": 60}[unit]
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
