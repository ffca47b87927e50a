"""Training a prior on the codes of the training images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contract import Prior, Tokenizer
from bench.core import digest
from bench.results.record import Measurement, Signature
from bench.run import code, tokenizers
from bench.run.cells import Cell
from bench.run.job import Job
from bench.run.session import Outcome, head
from bench.run.settings import settings_until
from bench.run.stages import conditional, fit
from bench.run.tokenizers import encoded

if TYPE_CHECKING:
    import torch

    from bench.contract import Build, Learner, PriorMethod
    from bench.evaluate.encode import CodeSource

STATISTICS = 2048
"""Codes that the prior's learner sees when it is built, for scales and bounds."""

LIKELIHOOD_IMAGES = 512
"""At most this many validation images."""


def not_applicable(cell: Cell) -> str | None:
    """Methods without a prior cannot generate."""
    return conditional.not_applicable(cell) if cell.code.prior else "no prior is defined for it"


def recipe(job: Job) -> dict[str, Any]:
    """Tokenizer, prior settings, images and budget; not the task, which matters only when images are drawn."""
    return {
        "stage": "prior",
        "code": code_of(job),
        "tokenizer": job.tokenizer.identity,
        "prior": settings_until(job.cell.prior, "prior"),
        "images": job.session.train.digest,
        "images_seen": job.session.preset.prior_images_seen,
        "flip": job.session.preset.flip,
        "precision": job.session.preset.precision,
        "seed": job.cell.seed,
    }


def code_of(job: Job) -> str:
    """The digest of the code that decides the prior's weights."""
    modules = [*code.TRAINING, "bench.evaluate.encode"]
    return code.of_images(job.cell.entry, job.session, modules, ("prior", "fit"))


def folder(job: Job) -> Path:
    """Where the run's checkpoint, final weights and report are."""
    return job.session.cache / "runs" / digest.of_value(recipe(job))[:32]


def run(job: Job) -> Outcome:
    """Encodes the training images once, trains the prior, or reads the report of a finished run."""
    report = report_of(job)
    measured = likelihoods(job)
    return Outcome((*fit.measurements(report), *measured), facts=report)


def report_of(job: Job) -> Mapping[str, Any]:
    """The report of the finished training; it is trained now where it is not yet, or under ``--overwrite``."""
    where = folder(job)
    budget = fit.Budget(job.session.preset.prior_images_seen, job.cell.seed)
    return fit.kept(where, job.session) or _train(job, where, budget)


def _train(job: Job, where: Path, budget: fit.Budget) -> dict[str, Any]:
    tokenizers.check_prior(job.cell, job.session.readings)
    tokenizer = job.tokenizer.open()
    source = codes_of_training_set(job, tokenizer)

    def build(device: torch.device, comm: Any) -> Learner[Prior]:
        return learner(job.cell, job.build(device, comm), tokenizer, source)

    return fit.train(build, source, budget, job.session, where)


def codes_of_training_set(job: Job, tokenizer: Tokenizer) -> CodeSource:
    """The codes of the training images (and of their mirror images) for the method's prior, from the cache."""
    from bench.evaluate.encode import encode

    encoder = of(job.cell).encoder
    made_by = digest.of_value([job.tokenizer.identity, code_of(job)])
    return encode(
        encoder(tokenizer) if encoder else tokenizer,
        job.session.train,
        job.session.cache,
        device=job.device,
        batch=job.session.batch(),
        flip=job.session.preset.flip,
        progress=job.session.progress,
        made_by=made_by,
        renews=job.session.renews,
    )


def of(cell: Cell) -> PriorMethod[Any, Any]:
    """The abilities of the cell's prior."""
    found = cell.code.prior
    assert found is not None, "a cell without a prior has an obstacle"
    return found


def learner(cell: Cell, build: Build, tokenizer: Tokenizer, source: CodeSource) -> Learner[Prior]:
    """What trains the cell's prior."""
    return of(cell).learner(cell.prior, build, tokenizer, source.head(STATISTICS))


def trained(job: Job, tokenizer: Tokenizer) -> Prior:
    """The prior of a finished run, built without optimiser, with the sampling settings of this cell."""
    from bench.core.distributed import Alone
    from bench.train.checkpoint import FINAL, load_final

    report_of(job)
    source = codes_of_training_set(job, tokenizer)
    made = learner(job.cell, job.build(job.device, Alone(), training=False), tokenizer, source)
    load_final(folder(job) / FINAL, made, job.session.final)
    made.module.to(job.device)
    return made.finish()


def likelihoods(job: Job) -> tuple[Measurement, ...]:
    """``nll-bits-per-image`` and ``nll-bits-per-pixel``, means over images; none for most priors."""
    bits_of = of(job.cell).likelihood
    if bits_of is None:
        return ()
    import numpy as np

    tokenizer = job.tokenizer.open()
    prior, images = trained(job, tokenizer), head(job.session.held_out, LIKELIHOOD_IMAGES)
    found = []
    with job.session.progress("likelihood", len(images)) as advance:
        for pixels, codes in encoded(tokenizer, images, job.session.batch(), job.device):
            found.append(bits_of(prior, codes))
            advance(len(pixels))
    bits = np.concatenate(found)
    signature: Signature = {"images": images.digest[:16], "tokenizer": tokenizer.revision[:16]}
    return tuple(
        Measurement(name, float(bits.mean()) / size, unit, False, len(bits), signature=signature)
        for name, unit, size in (
            ("nll-bits-per-image", "bits", 1),
            ("nll-bits-per-pixel", "bits per pixel", job.session.preset.resolution**2),
        )
    )
