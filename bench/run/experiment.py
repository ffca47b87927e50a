"""A run from its configuration to its results, for a program as for the command line. Nothing is printed.

``run(RunConfig(("vqgan",), preset="smoke"))`` gives the results that ``python -m bench run`` prints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.core.progress import quiet, silent
from bench.run.checks import Findings, Prepared, prepare

if TYPE_CHECKING:
    from bench.core.progress import Progress
    from bench.results.record import Result
    from bench.run.config import RunConfig
    from bench.run.executors import Backend

FLOOR = "downsample"
"""The untrained method whose reconstruction at the same grid stands beside every tokenizer's."""


def run(
    config: RunConfig,
    progress: Progress = silent,
    say: Callable[[str], None] = quiet,
    with_floor: bool = True,
) -> list[Result]:
    """Checks everything, trains or loads, measures, and gives the results of all cells and of the floor at their grids.

    Results are written to ``config.out`` as well; what is there is not done again. A cell that fails has a result that
    says so. ``say`` is told what is done, ``progress`` shows how far it is. Raises :class:`bench.errors.UsageError`
    with all that is missing before anything is spent.
    """
    return execute(prepare(config, progress, say), with_floor)


def validate(config: RunConfig, progress: Progress = silent) -> Findings:
    """What keeps this run from starting and what it will do without; the dataset is prepared, nothing is trained."""
    return prepare(config, progress).findings


def execute(prepared: Prepared, with_floor: bool = True) -> list[Result]:
    """The results of a run that was prepared, with the very cells and images that were checked."""
    from bench.core import devices
    from bench.run import executors, parts, runner
    from bench.run.config import part_of

    prepared.findings.complete()
    devices.make_deterministic(prepared.config.deterministic)
    everything, part = prepared.jobs, part_of(prepared.config.part)
    jobs = parts.dealt(everything, part)
    results = executors.execute(jobs, _backend(prepared) if jobs else None)
    floor = jobs[0].session.tables.methods.get(FLOOR) if with_floor and jobs else None
    return results if floor is None else results + runner.run_floors(everything, results, floor)


def _backend(prepared: Prepared) -> Backend | None:
    """The workers of ``--workers``; None where the run has none but this process."""
    from bench.run.processes import LocalProcesses

    workers = prepared.config.workers
    return None if workers is None else LocalProcesses(workers, prepared.jobs[0].session.cache / "logs")
