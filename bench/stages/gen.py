"""Generation: drawn or ready-made images against the whole training split."""

from __future__ import annotations

import dataclasses
from typing import Any

from bench import digest
from bench.contract import ImageArray, UsageError
from bench.entries import MetricEntry
from bench.plan import Cell
from bench.record import Measurement
from bench.session import Outcome, Session
from bench.stages import memorisation, ready, tasks
from bench.stages import sample as sampling
from bench.stages.recon import weights_at_hand

VERSION = 1


def obstacle(cell: Cell) -> str | None:
    """Needs a prior or ready-made samples."""
    return None if ready.has(cell, "samples") else sampling.obstacle(cell)


def recipe(cell: Cell, session: Session) -> dict[str, Any]:
    """The samples, the reference and the metrics with the weights that are at hand."""
    images = ready.identity(cell) if ready.has(cell, "samples") else digest.of_value(sampling.recipe(cell, session))
    return {
        "stage": "gen",
        "version": VERSION,
        "samples": images,
        "reference": session.train.digest,
        "metrics": [[m.name, m.version, weights_at_hand(m, session)] for m in set_metrics(session)],
        "protocol": session.protocol.name,
        "neighbours": memorisation.recipe(session),
    }


def set_metrics(session: Session) -> list[MetricEntry]:
    """The metrics of image sets."""
    return [metric for metric in session.tables.metrics.values() if metric.kind == "set"]


def run(cell: Cell, session: Session) -> Outcome:
    """Measures the samples against the training split; in a conditional task also what they were made from."""
    from bench.tasks.measure import measure

    candidate = images_of(cell, session)
    baselines = tasks.baselines(cell, session, len(candidate)) if cell.task else {}
    found: list[Measurement] = []
    for prefix, images in {"": candidate, **baselines}.items():
        measured = measure(
            session.train,
            images,
            set_metrics(session),
            session.tables.features,
            session.protocol,
            session.device(),
            session.cache,
            session.batch(),
            session.progress,
            pretrained=session.pretrained,
        )
        found += [dataclasses.replace(m, name=prefix + m.name) for m in measured.measurements]
    repeats = memorisation.memorisation(candidate, session)
    return dataclasses.replace(
        repeats,
        metrics=(*found, *repeats.metrics),
        facts={"samples": candidate.digest, "images": len(candidate), **(repeats.facts or {})},
    )


def images_of(cell: Cell, session: Session) -> ImageArray:
    """The cell's samples; ready-made ones must have the run's size: nothing is resized silently."""
    if not ready.has(cell, "samples"):
        return sampling.all_samples(cell, session)
    images = ready.load(cell, session)
    height, width = images.pixels.shape[2:]
    if (height, width) != (session.preset.resolution, session.preset.resolution):
        raise UsageError(
            f"'{cell.label}' holds images of {width}x{height} pixels, but this run measures at "
            f"{session.preset.resolution}; resize them yourself, or choose another --preset."
        )
    return images
