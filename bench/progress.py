"""Progress of long work: one protocol, a bar on stderr, and silence."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

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
                bar.update(task, rate=f"{speed:.0f}" if speed else "-")

            yield advance

    return progress


@contextmanager
def _lines(description: str, total: int) -> Iterator[Advance]:
    """A line on stderr every few seconds, for logs."""
    done, started = 0, time.monotonic()
    said = started

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        now = time.monotonic()
        if now - said > SECONDS_BETWEEN_LINES:
            said = now
            left = (total - done) * (now - started) / max(done, 1)
            sys.stderr.write(f"{description}: {done}/{total}, {done / (now - started):.0f}/s, {left:.0f} s left\n")
            sys.stderr.flush()

    yield advance
