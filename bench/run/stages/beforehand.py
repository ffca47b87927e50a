"""What can be known of the trainings of a run before any of them starts: their batch, and the disk they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.errors import BenchError, UsageError
from bench.run.cells import Cell
from bench.run.session import Session
from bench.run.stages import fit, train

if TYPE_CHECKING:
    from bench.contract import Learner, Tokenizer


def problems(cells: Sequence[Cell], session: Session) -> list[str]:
    """Why tokenizers of these cells cannot be trained here, in one sentence each."""
    from bench.core.devices import processes
    from bench.train import batches, space
    from bench.train.checkpoint import CHECKPOINT

    found, kept, free = [], 0, space.free(session.cache)
    for cell in cells:
        if not _is_trained(cell, session):
            continue
        try:
            learner = shapes(cell, session)
            if learner is None:
                continue
            batches.check_divisible(learner.batch, processes(session.device()))
            needed, present = space.needed(learner), train.folder(cell, session) / CHECKPOINT
            resumed = present.stat().st_size if present.exists() else 0
            space.check(cell.label, kept + needed.most - resumed, session.cache / "runs", free)
            kept += needed.final
        except UsageError as error:
            found.append(str(error))
    return found


def shapes(cell: Cell, session: Session) -> Learner[Tokenizer] | None:
    """The learner of the cell's tokenizer without memory; None where it cannot be built so.

    Such a learner, of a plug-in that computes with values when it is built, is checked when its training starts.
    """
    import torch

    from bench.core.distributed import Alone

    meta = torch.device("meta")
    try:
        with meta:
            return train.learner(cell, session.build(cell.seed, meta, Alone()))
    except UsageError:
        raise
    except (BenchError, RuntimeError, NotImplementedError):
        return None


def _is_trained(cell: Cell, session: Session) -> bool:
    """Whether the run will train the cell's tokenizer."""
    if "train" not in cell.stages or train.obstacle(cell) is not None or session.dataset.train is None:
        return False
    return fit.finished(train.folder(cell, session)) is None
