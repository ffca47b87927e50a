"""What can be known of the trainings of a run before any of them starts: their batch, and the disk they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.core.failures import contained
from bench.data.datasets.local import FEWEST
from bench.errors import BenchError, UsageError
from bench.run import sizes
from bench.run.job import Job
from bench.run.stages import fit, stage, train

if TYPE_CHECKING:
    from bench.contract import Learner, Tokenizer


def problems(jobs: Sequence[Job]) -> list[str]:
    """Why tokenizers of these jobs, all of one session, cannot be trained here, in one sentence each."""
    from bench.core.devices import processes
    from bench.train import batches, space
    from bench.train.checkpoint import CHECKPOINT

    jobs = [job for job in jobs if job.cell.fault is None]
    if not jobs:
        return []
    found, kept = [*without_training_images(jobs), *sizes.problems(jobs)], 0
    free = space.free(jobs[0].session.cache)
    for job in jobs:
        if not _is_trained(job):
            continue
        try:
            learner = shapes(job)
            if learner is None:
                continue
            batches.check_divisible(learner.batch, processes(job.device))
            needed, present = space.needed(learner), job.tokenizer.folder / CHECKPOINT
            resumed = present.stat().st_size if present.exists() else 0
            space.check(job.cell.label, kept + needed.most - resumed, job.session.cache / "runs", free)
            kept += needed.final
        except UsageError as error:
            found.append(str(error))
    return found


def without_training_images(jobs: Sequence[Job]) -> list[str]:
    """What of a run needs training images where its dataset has none, in one sentence; empty where nothing does."""
    lacking = [job for job in jobs if job.session.dataset.train is None and _sees_training_images(job)]
    if not lacking:
        return []
    dataset, labels = lacking[0].session.dataset, ", ".join(dict.fromkeys(f"'{job.cell.label}'" for job in lacking))
    return [
        f"{labels}: training and generation need training images, and {dataset.name} has none "
        f"({dataset.facts.get('split', 'one split')}); name a dataset with train and val folders or of at least "
        f"{FEWEST} images, or take finished weights (name@WEIGHTS) and the stages recon,cost"
    ]


def _sees_training_images(job: Job) -> bool:
    cell = job.cell
    if sizes.unfit(job) is not None and not {"train", "prior", "gen"} & set(job.session.config.stages):
        return False  # it would be trained for a reconstruction that there will not be
    return any(name in cell.stages and stage(name).not_applicable(cell) is None for name in ("train", "prior", "gen"))


def shapes(job: Job) -> Learner[Tokenizer] | None:
    """The learner of the cell's tokenizer without memory; None where it cannot be built so.

    Such a learner, of a plug-in that computes with values when it is built, is checked when its training starts.
    """
    import torch

    from bench.core.distributed import Alone

    meta = torch.device("meta")
    try:
        with meta, contained():
            return job.tokenizer.learner(job.build(meta, Alone()))
    except UsageError:
        raise
    except BenchError:
        return None


def _is_trained(job: Job) -> bool:
    """Whether the run will train the cell's tokenizer."""
    if (
        "train" not in job.cell.stages
        or train.not_applicable(job.cell) is not None
        or job.session.dataset.train is None
    ):
        return False
    return job.session.config.overwrite or fit.finished(job.tokenizer.folder) is None
