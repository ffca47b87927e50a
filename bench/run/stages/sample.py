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
from bench.run.cells import Cell
from bench.run.session import Outcome, Session
from bench.run.stages import conditional, placement, tokenizers
from bench.run.stages import prior as priors

if TYPE_CHECKING:
    from bench.data.frozen import Frozen

VERSION = 1
SHOWN = 64
BATCH = 64
"""Samples that are drawn together, at every resolution: whole batches are drawn, so larger ones would waste more."""


@dataclass(frozen=True)
class Drawing:
    """What ``sample`` may ask for beyond a run: one class for all samples, and a share of the work, k of n."""

    label: int | None = None
    shard: tuple[int, int] = (0, 1)


PLAIN = Drawing()


def obstacle(cell: Cell) -> str | None:
    """Methods without a prior cannot generate."""
    return priors.obstacle(cell)


def recipe(cell: Cell, session: Session, drawing: Drawing = PLAIN) -> dict[str, Any]:
    """The prior, the sampler's settings, the seeds, and the batch (it changes the last float digits)."""
    return {
        **({} if drawing.label is None else {"label": drawing.label}),
        "stage": "sample",
        "version": VERSION,
        "prior": digest.of_value(priors.recipe(cell, session)),
        "sampling": digest.plain(cell.prior),
        "seeds": list(seeds(session)),
        "batch": BATCH,
        "task": cell.task,
        "given": session.val.digest if cell.task else None,
        **tokenizers.noise_recipe(cell),
    }


def seeds(session: Session) -> tuple[int, ...]:
    """The seeds of ``--sample-seeds``, or as many as the preset draws."""
    from bench.evaluate.generate import parse_seeds

    return parse_seeds(session.config.sample_seeds or f"0-{session.preset.samples - 1}")


def folder(cell: Cell, session: Session, drawing: Drawing = PLAIN) -> Path:
    """Where the samples are."""
    return session.cache / "images" / digest.of_value(recipe(cell, session, drawing))[:32]


def run(cell: Cell, session: Session) -> Outcome:
    """Draws the samples that are missing."""
    drawn = all_samples(cell, session)
    return Outcome(
        (Measurement("samples", float(len(drawn)), "images", n=len(drawn)),),
        facts={
            "samples": drawn.digest,
            "seeds": session.config.sample_seeds or f"0-{session.preset.samples - 1}",
            **tokenizers.noise_facts(cell),
        },
        pictures={"grid.png": grid(drawn.pixels[:SHOWN]), **placement.pictures(cell, session, drawn.pixels)},
    )


def all_samples(cell: Cell, session: Session) -> Frozen:
    """The samples, from the cache where they are there."""
    drawn = samples(cell, session)
    if drawn is None:
        where = folder(cell, session)
        raise BenchError(f"Other processes still draw shards of these samples in {where}; run again when they ended.")
    return drawn


def samples(cell: Cell, session: Session, drawing: Drawing = PLAIN) -> Frozen | None:
    """The samples, from the cache where they are there; None while other shards are missing."""
    from bench.data.freezing import existing
    from bench.evaluate.generate import Order, generate

    where = folder(cell, session, drawing)
    there = existing(where)
    if there is not None:
        return there
    device = session.device()
    tokenizer = tokenizers.tokenizer(cell, session, device)
    prior = priors.trained(cell, session, device, tokenizer)
    order = Order(
        seeds(session),
        BATCH,
        label_rule(cell, drawing),
        conditional.condition(cell, session, tokenizer, device) if cell.task else None,
        cell.decoding.noise,
    )
    return generate(prior, tokenizer, order, where, device, session.progress, drawing.shard)


def label_rule(cell: Cell, drawing: Drawing) -> Callable[[int], int] | None:
    """The class of a seed's sample: the one asked for, or the classes in turn; None for priors without classes."""
    classes, label = getattr(cell.prior, "classes", 0), drawing.label
    if label is not None:
        if not 0 <= label < classes:
            has = f"its classes are 0..{classes - 1}" if classes else "it has none; train one with classes=N"
            raise UsageError(f"'{cell.label}' has no class {label}: {has}.")
        return lambda seed: label
    return (lambda seed: seed % classes) if classes else None
