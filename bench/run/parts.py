"""The cells of a run dealt out to several processes that know nothing of each other: ``run --part 2/3``."""

from __future__ import annotations

from collections.abc import Sequence

from bench.core import digest
from bench.core.failures import contained
from bench.errors import AdapterError, UsageError
from bench.run import tokenizers
from bench.run.config import Part
from bench.run.job import Job


def dealt(jobs: Sequence[Job], part: Part) -> list[Job]:
    """The jobs of one part, in their order: the same in every process that is asked for the same run.

    Jobs that share a training stay together, so that no part waits for another one's.
    """
    mine = {name for i, name in enumerate(dict.fromkeys(map(training, jobs))) if i % part.count == part.number - 1}
    return [job for job in jobs if training(job) in mine]


def training(job: Job) -> str:
    """What names the training behind a job; a job without one is like no other."""
    cell = job.cell
    alone = digest.of_value([cell.label, cell.seed])
    try:
        with contained():
            if cell.fault is not None or tokenizers.not_trained(cell) is not None:
                return alone
            return digest.of_value(job.tokenizer.training)
    except (AdapterError, UsageError):  # its stages fail with the reason
        return alone
