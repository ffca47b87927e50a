"""``validate --rehearse``: every cell on trial, each in a process of its own, and the printed forecast.

A process that the system ends because memory ran out takes one cell with it, not the rehearsal. Each may take the
memory that is free when it starts, and what it writes lies in a folder of the cache that is removed at the end.
"""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bench.core.visible import visible

if TYPE_CHECKING:
    import torch

    from bench.run.checks import Findings, Prepared
    from bench.run.config import RunConfig
    from bench.run.forecast import CellForecast, Room, StageForecast


LONG = 100_000
"""Images of training from which on a run is long enough to be tried first."""


def offer(config: RunConfig) -> list[str]:
    """A line for a run that will take long; none for a short one."""
    from bench.run.cells import preset_of, stages_with_predecessors

    preset, stages = preset_of(config), stages_with_predecessors(config.stages)
    budgets = {"train": preset.images_seen, "prior": preset.prior_images_seen}
    if max((images for stage, images in budgets.items() if stage in stages), default=0) < LONG:
        return []
    return [
        "this run may take long; in some minutes `python -m bench validate --rehearse` with the same flags tries every "
        "stage and forecasts time, memory and disk"
    ]


def with_stand_ins(findings: Findings) -> Findings:
    """The findings when losses may take random networks in the place of those that are absent."""
    absent = findings.replaceable
    said = [f"{sentence}; the rehearsal trains with random weights in its place (a stand-in)" for sentence in absent]
    return replace(
        findings,
        missing=tuple(problem for problem in findings.missing if problem not in absent),
        notes=(*findings.notes, *said),
    )


def rehearse(prepared: Prepared) -> int:
    """Prints the forecast of every cell and stage, their sums and what does not fit; gives the exit code.

    0: all fits; 2: something does not; 3: a cell could not be rehearsed.
    """
    from bench.core.devices import choose_device
    from bench.core.files import cache_root
    from bench.run import forecast

    config, cells = prepared.config, [job.cell for job in prepared.jobs]
    count = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
    where = choose_device(config.device)
    typer.echo(f"Rehearsal of {count} at '{config.preset}' on {where}; nothing of it is kept.")
    found = []
    with tempfile.TemporaryDirectory(prefix="rehearsal-", dir=cache_root()) as scratch:
        for index, cell in enumerate(cells):
            found.append(_in_its_own_process(config, index, Path(scratch), cell.label, cell.seed))
            typer.echo(visible("\n".join(lines(found[-1]))))
            _clear(Path(scratch))
    room = _room(config)
    typer.echo("\n".join(closing(found, room)))
    lacking = forecast.shortfalls(found, room)
    for sentence in lacking:
        typer.echo(f"does not fit: {sentence}", err=True)
    failures = [trial for trial in found if trial.failure is not None]
    for failed in failures:
        typer.echo(visible(f"failed: '{failed.label}' seed {failed.seed}, {failed.failure}"), err=True)
    return 3 if failures else 2 if lacking else 0


def _clear(scratch: Path) -> None:
    """Removes what a cell wrote; the next may need the same stand-ins."""
    from bench.pretrained.networks import FOLDER

    for path in scratch.iterdir():
        if path.is_dir() and path.name != FOLDER:
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def _in_its_own_process(config: RunConfig, index: int, folder: Path, label: str, seed: int) -> CellForecast:
    from bench.run.forecast import CellForecast

    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(_cell, config, index, folder).result()
    except BrokenProcessPool:
        reason = (
            "the system ended the process, as a rule because memory ran out; give a smaller --micro-batch, add "
            "checkpointing=true to the method or use a machine with more memory"
        )
        return CellForecast(label, seed, (), reason)


def _cell(config: RunConfig, index: int, folder: Path) -> CellForecast:
    """One cell, in the process that was started for it, on one device."""
    from bench.core import devices
    from bench.core.devices import choose_device
    from bench.core.progress import say
    from bench.run import checks, opening
    from bench.run.job import job_of
    from bench.run.rehearsal import rehearse as try_cell
    from bench.run.stages.trial_steps import Patience

    devices.make_deterministic(config.deterministic)
    device = choose_device(config.device)
    if device.type == "cuda" and device.index is None:
        config = replace(config, device="cuda:0")
    _bound_memory(device)
    cell = checks.sound(opening.cells_of(config)[index])
    session = opening.session_of(config, opening.open_dataset(config), say=say)
    return try_cell(job_of(cell, session), folder, Patience(), first=index == 0)


def _bound_memory(device: torch.device) -> None:
    """Makes an allocation beyond what is free an error in this process; otherwise the system ends some process."""
    from bench.core.devices import free_memory

    free = free_memory(device)[0]
    if device.type != "cpu" or free is None or sys.platform != "linux":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = [bound for bound in (free, soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))


def _room(config: RunConfig) -> Room:
    from bench.core.devices import choose_device, free_memory
    from bench.core.files import cache_root
    from bench.run.forecast import Room

    memory, name = free_memory(choose_device(config.device))
    return Room(memory, name, shutil.disk_usage(cache_root()).free, str(cache_root()))


# --------------------------------------------------------------------------------------------------------------
# Words


def lines(cell: CellForecast) -> list[str]:
    """What is printed of one cell: a line for each stage, and how it was measured."""
    said = [f"{cell.label}, seed {cell.seed}"]
    for stage in cell.stages:
        said.append(f"  {stage.stage:<7}{_numbers(stage)}")
        said += [f"         {note}" for note in stage.basis]
    return [*said, f"  failed: {cell.failure}"] if cell.failure else said


def _numbers(stage: StageForecast) -> str:
    from bench.run.forecast import size, span

    parts = [f"time {span(stage.seconds)}"]
    if stage.memory is not None:
        parts.append(f"peak memory {size(stage.memory)}")
    if stage.disk:
        parts.append(f"disk {', '.join(f'{size(count)} {name}' for name, count in stage.disk.items())}")
    if stage.transient:
        parts.append(f"{size(stage.transient)} of disk meanwhile")
    return "; ".join(parts)


def closing(cells: list[CellForecast], room: Room) -> list[str]:
    """The sums, and what they mean."""
    from bench.run.forecast import size, span, sums

    everything = sums(cells)
    memory_of = next((cell.memory_of for cell in cells if cell.memory_of), "not read")
    has = "unknown" if room.memory is None else size(room.memory)
    return [
        f"All cells: time {span(everything.seconds)}; disk {size(everything.disk)} and up to "
        f"{size(everything.transient)} meanwhile; peak memory "
        f"{'unknown' if everything.memory is None else size(everything.memory)} ({memory_of}).",
        f"There are {has} of memory on {room.memory_name} and {size(room.disk)} on the disk of {room.disk_name}.",
        "A time is the median of what was measured, with fastest and slowest in brackets. The floor's rows, and stages "
        "that are done already, are not taken into account.",
    ]
