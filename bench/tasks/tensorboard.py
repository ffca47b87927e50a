"""Logged points as TensorBoard event files, through the package tensorboardX."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.contract import UsageError

FLUSH_SECONDS = 10


@contextmanager
def events(folder: Path) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """A function that writes each logged point's losses under their names, with the step as x axis.

    Points reach the disk within seconds, all of them when the block ends. Raises :class:`UsageError` where
    tensorboardX is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UsageError("--tensorboard needs the package tensorboardX: pip install '.[tensorboard]'.") from error
    writer = SummaryWriter(str(folder), flush_secs=FLUSH_SECONDS)

    def observe(step: int, point: Mapping[str, float]) -> None:
        for name, value in point.items():
            writer.add_scalar(name, value, step)

    try:
        yield observe
    finally:
        writer.close()
