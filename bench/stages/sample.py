"""Drawing images from the prior: every image is its seed; what is drawn is not drawn again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import digest
from bench.contract import BenchError
from bench.pictures import grid
from bench.plan import Cell
from bench.record import Measurement
from bench.session import Outcome, Session
from bench.stages import prior as priors
from bench.stages import placement, tasks, tokenizers

if TYPE_CHECKING:
    from bench.arrays import Frozen

VERSION = 1
SHOWN = 64


def obstacle(cell: Cell) -> str | None:
    """Methods without a prior cannot generate."""
    return priors.obstacle(cell)


def recipe(cell: Cell, session: Session) -> dict[str, Any]:
    """The prior, the sampler's settings, the seeds, and the batch (it changes the last float digits)."""
    return {
        "stage": "sample",
        "version": VERSION,
        "prior": digest.of_value(priors.recipe(cell, session)),
        "sampling": digest.plain(cell.prior),
        "seeds": list(seeds(session)),
        "batch": session.batch(),
        "task": cell.task,
        "given": session.val.digest if cell.task else None,
    }


def seeds(session: Session) -> tuple[int, ...]:
    """The seeds of ``--sample-seeds``, or as many as the preset draws."""
    from bench.tasks.generate import parse_seeds

    return parse_seeds(session.config.sample_seeds or f"0-{session.preset.samples - 1}")


def folder(cell: Cell, session: Session) -> Path:
    """Where the samples are."""
    return session.cache / "images" / digest.of_value(recipe(cell, session))[:32]


def run(cell: Cell, session: Session) -> Outcome:
    """Draws the samples that are missing."""
    drawn = samples(cell, session)
    return Outcome(
        (Measurement("samples", float(len(drawn)), "images", n=len(drawn)),),
        facts={"samples": drawn.digest, "seeds": session.config.sample_seeds or f"0-{session.preset.samples - 1}"},
        pictures={"grid.png": grid(drawn.pixels[:SHOWN]), **placement.pictures(cell, session, drawn.pixels)},
    )


def samples(cell: Cell, session: Session) -> Frozen:
    """The samples, from the cache where they are there."""
    from bench.freezing import existing
    from bench.tasks.generate import Order, generate

    where = folder(cell, session)
    there = existing(where)
    if there is not None:
        return there
    device = session.device()
    tokenizer = tokenizers.tokenizer(cell, session, device)
    prior = priors.trained(cell, session, device, tokenizer)
    classes = getattr(cell.prior, "classes", 0)
    order = Order(
        seeds(session),
        session.batch(),
        (lambda seed: seed % classes) if classes else None,
        tasks.condition(cell, session, tokenizer, device) if cell.task else None,
    )
    drawn = generate(prior, tokenizer, order, where, device, session.progress)
    if drawn is None:
        raise BenchError(f"Other processes still draw shards of these samples in {where}; run again when they ended.")
    return drawn
