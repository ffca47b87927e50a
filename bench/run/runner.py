"""Cells through their stages: skips what exists, runs what is missing, stores every outcome, survives failures."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from bench.contract import MethodEntry
from bench.core import devices, digest
from bench.core.failures import contained
from bench.core.files import alone, write_bytes
from bench.data.dataset import Dataset
from bench.errors import AdapterError, BenchError
from bench.results.provenance import provenance
from bench.results.record import TRAINED_WITH, Result
from bench.results.store import Place
from bench.run import limits, sizes
from bench.run.cells import NEEDS, Cell
from bench.run.job import Job, job_of
from bench.run.method_string import Method
from bench.run.session import Outcome, Session
from bench.run.settings import resolve
from bench.run.stages import Stage, stage


def run(jobs: Sequence[Job]) -> list[Result]:
    """All results of the jobs of one session, stage by stage; a failing one does not stop the others unless
    ``fail_fast`` is on.
    """
    results: list[Result] = []
    for number, job in enumerate(jobs, 1):
        results += run_job(job, f"cell {number} of {len(jobs)}")
    return results


def run_floors(everything: Sequence[Job], results: Sequence[Result], floor: MethodEntry) -> list[Result]:
    """The results of ``floor``, the method whose reconstruction at a tokenizer's own grid is measured beside it.

    ``everything`` is all jobs of the run, ``results`` those of some: where each process has a part of the jobs, each
    sees to the floors at its own grids, under the first seed of the whole, and one that another process makes is
    waited for.
    """
    session, found = everything[0].session, list[Result]()
    floors = _floors([job.cell for job in everything], results, floor, session.preset.resolution)
    for number, cell in enumerate(floors, 1):
        found += run_job(job_of(cell, session), f"floor {number} of {len(floors)}")
    return found


def failed(results: Sequence[Result]) -> list[Result]:
    """The results that are failures."""
    return [result for result in results if result.status == "failed"]


def lost(job: Job, sentence: str) -> Result:
    """The failure of a job whose process gave no result, under the first stage that was asked for."""
    return _failure(_first_asked(job.cell, job.session.config.stages), job, BenchError(sentence))


def run_job(job: Job, place: str) -> list[Result]:
    """The cell's stages in order, with one tokenizer; after a failure the later ones are not tried.

    ``place`` is the cell's in the run.
    """
    try:
        return _run_stages(job, place)
    finally:
        job.tokenizer.close()


def _run_stages(job: Job, place: str) -> list[Result]:
    results: list[Result] = []
    cell, session = job.cell, job.session
    try:
        with contained():
            names = _stages_of(job)
    except AdapterError as error:
        names, results = [], [_failure(_first_asked(cell, session.config.stages), job, error)]
    for number, name in enumerate(names, 1):
        here = f"stage {number} of {len(names)} of {place}"
        result = _run_stage(name, stage(name), job.placed(here), here)
        results.append(result)
        if result.status == "failed":
            break
    for result in failed(results):
        if session.config.fail_fast:
            raise BenchError(f"{cell.label}, {result.stage}: {result.error}")
        session.say(f"{cell.label}, {result.stage}: failed: {result.error}")
    return results


def _stages_of(job: Job) -> list[str]:
    """:func:`useful`; raises :class:`AdapterError` for a cell that is known to fail."""
    if job.cell.fault is not None:
        raise AdapterError(job.cell.fault)
    return useful(job.cell, job.session.config.stages, idle(job))


def _first_asked(cell: Cell, asked: Sequence[str]) -> str:
    """The first of the cell's stages that was asked for itself."""
    return next((name for name in cell.stages if name in asked), cell.stages[0])


def useful(cell: Cell, asked: Sequence[str], idle: Collection[str] = ()) -> list[str]:
    """The cell's stages without predecessors that no applicable stage needs: no training for a task it lacks.

    The stages ``idle`` apply to the cell, but not to the images of this run.
    """
    applicable = [name for name in cell.stages if name not in idle and stage(name).not_applicable(cell) is None]
    needed = {need for name in applicable for need in NEEDS[name]}
    predecessors = set().union(*NEEDS.values())
    return [name for name in cell.stages if name in asked or name in needed or name not in predecessors]


def idle(job: Job) -> tuple[str, ...]:
    """The stages that do not apply to the images of the run, for a method that takes others."""
    return ("recon",) if sizes.unfit(job) is not None else ()


def not_applicable(name: str, job: Job) -> str | None:
    """Why a stage does not apply to the job's method, or to its method on these images."""
    return stage(name).not_applicable(job.cell) or (sizes.unfit(job) if name == "recon" else None)


def _run_stage(name: str, work: Stage, job: Job, here: str) -> Result:
    try:
        with contained():
            return _done_or_run(name, work, job, here)
    except BenchError as error:
        return _failure(name, job, error)


def _done_or_run(name: str, work: Stage, job: Job, here: str) -> Result:
    reason = not_applicable(name, job)
    key = work.key(job) if reason is None else digest.of_value([name, job.cell.label, reason])
    done = _done_before(name, key, job)
    if done is not None:
        return done
    with _alone(name, job):  # another process may have made it while this one waited
        return _done_before(name, key, job) or _run_new(name, key, reason, work, job, here)


def _alone(name: str, job: Job) -> AbstractContextManager[None]:
    """Held while a stage's result is made: another process that wants the same one waits, and finds it done.

    The further processes of a training have no part in that, for the first one waits for them meanwhile.
    """
    if not devices.first_process(os.environ):
        return nullcontext()
    place, cell, say = job.place, job.cell, job.session.say
    said = f"{cell.label} seed {cell.seed}, {name}: another process is at it; waiting for it to end"
    return alone(place.file(name), lambda: say(f"{said} ({place.file(name)})"))


def _done_before(name: str, key: str, job: Job) -> Result | None:
    place, cell, session = job.place, job.cell, job.session
    done = None if session.config.overwrite else place.done(name, key)
    if done is not None:
        session.say(f"{cell.label} seed {cell.seed}, {name}: done before ({place.file(name)})")
    return done


def _run_new(name: str, key: str, reason: str | None, work: Stage, job: Job, here: str) -> Result:
    place, cell, session = job.place, job.cell, job.session
    blank = _blank(name, cell, session, key)
    if reason is not None:
        result = dataclasses.replace(blank, status="not-applicable", error=reason)
        place.write(result)
        return result
    session.say(f"{cell.label} seed {cell.seed}, {name} ({here})")
    outcome = _marked(work.run(job), name, job)
    return _store(dataclasses.replace(blank, limited=limits.limited(name, job)), outcome, session, place)


def _failure(name: str, job: Job, error: BenchError) -> Result:
    """The result that says why a stage failed; with ``--debug`` the error itself."""
    if job.session.config.debug:
        raise error
    return _store_failure(name, job.cell, job.session, job.place, str(error))


def _blank(name: str, cell: Cell, session: Session, key: str) -> Result:
    """The result before it has numbers."""
    config = session.config.arguments
    return Result(
        stage=name,
        status="ok",
        method=cell.label,
        title=cell.entry.title,
        dataset=session.title,
        preset=session.preset.name,
        seed=cell.seed,
        key=key,
        task=cell.task,
        settings=dict(digest.plain(cell.settings)),
        arguments={key: str(value) if key == "out" else digest.plain(value) for key, value in config.items()},
    )


def _marked(outcome: Outcome, name: str, job: Job) -> Outcome:
    """The outcome, each number with the stand-ins that its weights were trained with; costs are of any."""
    trained_with = () if name == "cost" else job.tokenizer.stand_ins
    if not trained_with:
        return outcome
    more = {TRAINED_WITH: ", ".join(trained_with)}
    marked = [dataclasses.replace(m, signature={**m.signature, **more}) for m in outcome.metrics]
    return dataclasses.replace(outcome, metrics=tuple(marked))


def _store(blank: Result, outcome: Outcome, session: Session, place: Place) -> Result:
    aside = place.keep_aside(blank.stage, blank.key)
    if aside is not None:
        session.say(f"{blank.method}, {blank.stage}: the earlier result, of another recipe or code, is kept: {aside}")
    for suffix, data in (outcome.pictures or {}).items():
        write_bytes(place.folder / f"{blank.stage}.{suffix}", data)
    result = dataclasses.replace(
        blank,
        metrics=outcome.metrics,
        facts=digest.plain(dict(outcome.facts or {})),
        provenance={**provenance(), "data": data_facts(session.dataset)},
        per_image=f"{blank.stage}.parquet" if outcome.per_image else None,
    )
    place.write(result, outcome.per_image)
    return result


def data_facts(dataset: Dataset) -> dict[str, Any]:
    """Which pixels were measured: resolution, crop and resize, splits with their digests, bad files, duplicates."""
    facts = digest.plain(dict(dataset.facts))
    return {"name": dataset.name, "resolution": dataset.resolution, "protocol": dataset.protocol, **facts}


def _store_failure(name: str, cell: Cell, session: Session, place: Place, error: str) -> Result:
    """A failure is a result too, unless a finished one stands in its place; it is tried again by the next run."""
    result = dataclasses.replace(_blank(name, cell, session, "failed"), status="failed", error=error)
    if not place.file(name).exists():
        place.write(result)
    return result


def _grid(facts: Mapping[str, Any], side: int) -> int | None:
    """The codes' square grid on images of ``side`` pixels; None where they have none.

    Of an image of another size that was coded (``coded_size``), the grid that has cells as large as there.
    """
    grid, coded = facts.get("grid"), facts.get("coded_size")
    if not grid or coded is None:
        return grid[0] if grid and grid[0] == grid[1] else None
    found = {side * cells / pixels for cells, pixels in zip(grid, coded, strict=True)}
    cells = found.pop()
    return int(cells) if not found and cells == int(cells) else None


def _floors(cells: Sequence[Cell], results: Sequence[Result], floor: MethodEntry, side: int) -> list[Cell]:
    """Cells of the floor method at every square grid that the results have, without those asked for anyway.

    ``side`` is the preset's resolution, at which a method's grid is named; a grid as fine as the image has no floor,
    which would be the image itself.
    """
    grids = {grid for result in results if (grid := _grid(result.facts, side)) is not None and grid < side}
    methods = [Method(floor.name, variant=str(grid)) for grid in sorted(grids)]
    present = {cell.label for cell in cells}
    return [
        Cell(method, floor, resolve(method, floor, results[0].preset), cells[0].seed, ("recon", "cost"))
        for method in methods
        if method.label not in present
    ]
