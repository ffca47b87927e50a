"""A cell of a run on trial: every stage at full size for moments, and a forecast of the whole (``--rehearse``).

Nothing of it is a result. The session's cache is a folder that the caller removes; only ready-made weights are read
from the real one. The tokenizer that later stages are tried with has taken a few steps, and is as large and as slow as
a trained one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.core import devices
from bench.core.failures import contained
from bench.errors import BenchError
from bench.run.forecast import CellForecast, StageForecast
from bench.run.job import Job, job_of
from bench.run.runner import idle, not_applicable, useful
from bench.run.stages.trial import Trial, remedies
from bench.run.stages.trial_images import try_cost, try_gen, try_recon, try_sample
from bench.run.stages.trial_steps import Patience
from bench.run.stages.trial_training import try_prior, try_train

TRIALS: Mapping[str, Callable[[Trial], StageForecast]] = {
    "train": try_train,
    "recon": try_recon,
    "cost": try_cost,
    "prior": try_prior,
    "sample": try_sample,
    "gen": try_gen,
}


def rehearse(job: Job, scratch: Path, patience: Patience, first: bool) -> CellForecast:
    """Tries the stages of a cell in order; after one that fails, or runs out of memory, the later ones are not tried.

    ``first`` says whether the features of the reference images, which all cells share, are counted here.
    """
    from bench.evaluate.clock import peak_memory

    cell, session, device = job.cell, job.session, job.device
    if cell.fault is not None:
        return CellForecast(cell.label, cell.seed, (), cell.fault)
    config = dataclasses.replace(session.config, stand_in=True)
    trial = Trial(
        job=job_of(cell, dataclasses.replace(session, cache=scratch, config=config)),
        real=job,
        device=device,
        patience=patience,
        first=first,
        free=devices.free_memory(device)[0],
    )
    done: list[StageForecast] = []
    for name in useful(cell, session.config.stages, idle(job)):
        if not_applicable(name, job) is not None:
            continue
        session.say(f"rehearse {cell.label} seed {cell.seed}, {name}")
        failure = _failure(name, trial, done)
        if failure is not None:
            return CellForecast(cell.label, cell.seed, tuple(done), f"{name}: {failure}", peak_memory(device)[1])
    return CellForecast(cell.label, cell.seed, tuple(done), None, peak_memory(device)[1])


def _failure(name: str, trial: Trial, done: list[StageForecast]) -> str | None:
    """Tries one stage; gives why it failed, or None."""
    try:
        with contained():
            done.append(TRIALS[name](trial))
            return None
    except BenchError as error:
        if error.__cause__ is None or not out_of_memory(error.__cause__):
            return str(error)
        settings = trial.job.cell.prior if name == "prior" else trial.job.cell.settings
        return f"out of memory; {'; '.join(remedies(trial, settings, 1)) or 'use a machine with more memory'}."


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: CUDA's own error, Python's, or what torch says of the CPU's allocator."""
    import torch

    said = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in said or "bad_alloc" in said
