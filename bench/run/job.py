"""A cell in its session: what all its stages ask for, found once."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.core import progress
from bench.run.cells import Cell
from bench.run.session import Session
from bench.run.tokenizers import CellTokenizer

if TYPE_CHECKING:
    import torch

    from bench.contract import Build
    from bench.results.store import Place


@dataclass(frozen=True)
class Job:
    """A cell, the session that it runs in, and the tokenizer that its stages share."""

    cell: Cell
    session: Session
    tokenizer: CellTokenizer

    @property
    def device(self) -> torch.device:
        """The device of the run."""
        return self.tokenizer.device

    @property
    def place(self) -> Place:
        """Where the cell's results are."""
        return self.session.place(self.cell)

    def build(self, device: torch.device, comm: Any, training: bool = True) -> Build:
        """What the cell's method is built with on ``device``; without ``training`` for what it gives alone."""
        return self.session.build(self.cell.seed, device, comm, training)

    def placed(self, place: str) -> Job:
        """The same job, with the tokenizer that it has, whose progress says its ``place`` in the run."""
        shown = progress.placed(self.session.progress, place, self.session.say)
        return dataclasses.replace(self, session=dataclasses.replace(self.session, progress=shown))


def job_of(cell: Cell, session: Session) -> Job:
    """The job of a cell in a session; nothing is opened yet."""
    return Job(cell, session, CellTokenizer(cell, session))
