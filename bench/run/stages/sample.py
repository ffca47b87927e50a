"""Drawing images from the prior: every image is its seed; what is drawn is not drawn again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core import digest
from bench.data.export import grid
from bench.errors import BenchError, UsageError
from bench.results.record import Measurement
from bench.run import code, tokenizers
from bench.run.cells import Cell
from bench.run.job import Job
from bench.run.session import Outcome, Session
from bench.run.stages import conditional, placement
from bench.run.stages import prior as priors

if TYPE_CHECKING:
    from bench.data.frozen import Frozen

MAKING = ("bench.evaluate.generate",)
"""The code that draws samples."""

SHOWN = 64
BATCH = 64
"""Samples that are drawn together, at every resolution: whole batches are drawn, so larger ones would waste more."""


@dataclass(frozen=True)
class Drawing:
    """What ``sample`` may ask for beyond a run: one class for all samples, and a share of the work, k of n."""

    label: int | None = None
    shard: tuple[int, int] = (0, 1)


PLAIN = Drawing()


def not_applicable(cell: Cell) -> str | None:
    """Methods without a prior cannot generate."""
    return priors.not_applicable(cell)


def recipe(job: Job, drawing: Drawing = PLAIN) -> dict[str, Any]:
    """The prior, the sampler's settings, the seeds, and the batch (it changes the last float digits)."""
    return {
        **({} if drawing.label is None else {"label": drawing.label}),
        "stage": "sample",
        "code": code.of_images(job.cell.entry, job.session, MAKING, ("sample", "conditional")),
        "prior": digest.of_value(priors.recipe(job)),
        "sampling": digest.plain(job.cell.prior),
        "seeds": list(seeds(job.session)),
        "batch": BATCH,
        "task": job.cell.task,
        "given": job.session.held_out.digest if job.cell.task else None,
        **tokenizers.noise_recipe(job.cell),
    }


def seeds(session: Session) -> tuple[int, ...]:
    """The seeds of ``--sample-seeds``, or as many as the preset draws."""
    from bench.evaluate.generate import parse_seeds

    return parse_seeds(session.config.sample_seeds or f"0-{session.preset.samples - 1}")


def folder(job: Job, drawing: Drawing = PLAIN) -> Path:
    """Where the samples are."""
    return job.session.cache / "images" / digest.of_value(recipe(job, drawing))[:32]


def run(job: Job) -> Outcome:
    """Draws the samples that are missing."""
    drawn = all_samples(job)
    return Outcome(
        (Measurement("samples", float(len(drawn)), "images", n=len(drawn)),),
        facts={
            "samples": drawn.digest,
            "seeds": job.session.config.sample_seeds or f"0-{job.session.preset.samples - 1}",
            **tokenizers.noise_facts(job.cell),
        },
        pictures={"grid.png": grid(drawn.pixels[:SHOWN]), **placement.pictures(job, drawn.pixels)},
    )


def all_samples(job: Job) -> Frozen:
    """The samples, from the cache where they are there."""
    drawn = samples(job)
    if drawn is None:
        where = folder(job)
        raise BenchError(f"Other processes still draw shards of these samples in {where}; run again when they ended.")
    return drawn


def samples(job: Job, drawing: Drawing = PLAIN) -> Frozen | None:
    """The samples, from the cache where they are there; None while other shards are missing."""
    from bench.data.freezing import existing
    from bench.evaluate.generate import Order, generate

    where = folder(job, drawing)
    there = existing(where, job.session.renews)
    if there is not None:
        return there
    tokenizer = job.tokenizer.open()
    prior = priors.trained(job, tokenizer)
    order = Order(
        seeds(job.session),
        BATCH,
        label_rule(job.cell, drawing),
        conditional.condition(job, tokenizer) if job.cell.task else None,
        job.cell.decoding.noise,
    )
    return generate(prior, tokenizer, order, where, job.device, job.session.progress, drawing.shard)


def label_rule(cell: Cell, drawing: Drawing) -> Callable[[int], int] | None:
    """The class of a seed's sample: the one asked for, or the classes in turn; None for priors without classes."""
    classes, label = getattr(cell.prior, "classes", 0), drawing.label
    if label is not None:
        if not 0 <= label < classes:
            has = f"its classes are 0..{classes - 1}" if classes else "it has none; train one with classes=N"
            raise UsageError(f"'{cell.label}' has no class {label}: {has}.")
        return lambda seed: label
    return (lambda seed: seed % classes) if classes else None
