"""The losses of the steps since the last logged point: kept on the device, read together, checked to be finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from bench.core.distributed import Alone, Processes

FLUSH_SECONDS = 10


class DivergedError(BenchError):
    """A loss became NaN or infinite."""


class LossLog:
    """Reading a loss waits for the device, so the losses of several steps are read at once."""

    def __init__(self) -> None:
        self._rows: list[Mapping[str, Tensor]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """The scalar losses of one step, by name; a phase that did not run is absent."""
        self._rows.append(losses)

    def clear(self) -> None:
        """Forgets the steps since the last point."""
        self._rows.clear()

    def point(self, first_step: int, processes: Alone | Processes, folder: Path) -> dict[str, float] | None:
        """The mean of each loss over the steps and processes, or None where there was no step; clears.

        Raises :class:`DivergedError` with the first step (counted from ``first_step``) whose losses are not finite.
        """
        import torch

        if not self._rows:
            return None
        names = sorted({name for row in self._rows for name in row})
        nothing = torch.zeros((), device=next(iter(self._rows[0].values())).device)
        table = torch.stack([torch.stack([row.get(name, nothing) for name in names]) for row in self._rows])
        table = processes.all_reduce_mean(table).cpu()
        bad = (~torch.isfinite(table)).any(1).nonzero()
        if len(bad):
            row = int(bad[0])
            values = ", ".join(f"{name} = {value:g}" for name, value in zip(names, table[row].tolist(), strict=True))
            raise DivergedError(
                f"Training diverged at step {first_step + row} ({values}); lower the learning rate or turn on "
                f"clipping. The last checkpoint is in {folder}."
            )
        present = {name: [i for i, row in enumerate(self._rows) if name in row] for name in names}
        point = {name: float(table[rows, names.index(name)].mean()) for name, rows in present.items()}
        self._rows.clear()
        return point


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
