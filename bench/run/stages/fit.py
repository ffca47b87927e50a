"""What training a tokenizer and training a prior have in common: the lock, the loop's plan, the report."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.core import documents, seeding
from bench.core.files import explained, write_bytes
from bench.errors import IntegrityError
from bench.results.record import Measurement
from bench.run.session import Session
from bench.train.report import FitReport

if TYPE_CHECKING:
    from filelock import FileLock

    from bench.contract import Learner
    from bench.train.loop import Source

T = TypeVar("T")
REPORT = "report.json"


@dataclass(frozen=True)
class Budget:
    """Images seen, seed, and how many previews on the way."""

    images: int
    seed: int
    previews: int = 0


def finished(where: Path) -> dict[str, Any] | None:
    """The report of a finished run: report and final weights are both there."""
    from bench.train.checkpoint import FINAL

    if not ((where / REPORT).exists() and (where / FINAL).exists()):
        return None
    door = documents.Door(str(where / REPORT), f"delete {where} and train again", IntegrityError)
    report: dict[str, Any] = documents.from_json(documents.read(where / REPORT, door), door)
    documents.check(FitReport, report, door)
    return report


def kept(where: Path, session: Session) -> dict[str, Any] | None:
    """:func:`finished`, except that ``--overwrite`` forgets it first, once in a run."""
    from bench.train.checkpoint import FINAL

    if finished(where) is not None and session.renews(where):
        for name in (REPORT, FINAL):
            (where / name).unlink(missing_ok=True)
    return finished(where)


def measurements(report: Mapping[str, Any]) -> tuple[Measurement, ...]:
    """The budget as numbers of the table."""
    return (
        Measurement("images-seen", float(report["images_seen"]), "images", n=report["images_seen"]),
        Measurement("training-seconds", report["seconds"], "s", higher_is_better=False, n=report["steps"]),
        Measurement("training-flops", report["flops"], "FLOP", higher_is_better=False, n=report["steps"]),
    )


def check_space(learner: Learner[object], where: Path) -> None:
    """Raises :class:`bench.errors.UsageError` where the files of this training do not fit on the disk by now."""
    from bench.train import space
    from bench.train.checkpoint import CHECKPOINT

    resumed = where / CHECKPOINT
    there = resumed.stat().st_size if resumed.exists() else 0
    space.check("training", space.needed(learner).most - there, where, space.free(where))


def train(
    build: Callable[[Any, Any], Learner[T]],
    source: Source,
    budget: Budget,
    session: Session,
    where: Path,
    preview: Callable[[Learner[T]], Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """Builds the learner with the seed's initial weights and trains it in the folder ``where``; gives the report.

    Where another process is training the same recipe, this one waits for it and takes its report. Raises
    :class:`BenchError` when the disk is too full.
    """
    import torch
    from filelock import FileLock

    from bench.core.distributed import comm
    from bench.train.checkpoint import CHECKPOINT
    from bench.train.log import events
    from bench.train.loop import FitPlan, fit

    fabric = session.fabric()
    with explained(where):
        where.mkdir(parents=True, exist_ok=True)
    lock = FileLock(where / "lock")
    try:
        if fabric.global_rank == 0:
            _acquire(lock, session)
        others = fabric.broadcast(finished(where)) if fabric.world_size > 1 else finished(where)
        if others is not None:
            return others
        torch.manual_seed(seeding.derive(budget.seed, "initialisation"))
        learner = build(fabric.device, comm(fabric))
        learner.module.to(fabric.device)
        check_space(learner, where)
        plan = FitPlan(
            images=budget.images,
            seed=budget.seed,
            flip=session.preset.flip,
            micro_batch=session.config.micro_batch,
            previews=budget.previews,
        )
        logged = session.config.tensorboard and fabric.global_rank == 0
        with events(where / "events") if logged else nullcontext() as observe:
            report = dataclasses.asdict(fit(learner, source, plan, fabric, where, session.progress, preview, observe))
        if fabric.global_rank == 0:
            write_bytes(where / REPORT, json.dumps(report, indent=2).encode())
            (where / CHECKPOINT).unlink(missing_ok=True)
        as_read: dict[str, Any] = json.loads(json.dumps(report))
        return as_read
    finally:
        lock.release()


def _acquire(lock: FileLock, session: Session) -> None:
    """Takes the lock, and says so where that means waiting for another process."""
    from filelock import Timeout

    try:
        lock.acquire(timeout=0)
    except Timeout:
        session.say(f"another process trains this very run; waiting for it to end ({Path(lock.lock_file).parent})")
        lock.acquire()
