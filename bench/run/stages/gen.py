"""Generation: drawn or ready-made images against the whole training split."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.core import digest
from bench.core.images import ImageArray
from bench.data import frozen
from bench.data.export import strip
from bench.data.mixed import Mixed
from bench.errors import UsageError
from bench.metrics import signatures
from bench.metrics.entries import MetricEntry
from bench.pretrained import lpips
from bench.results.record import STAND_IN, Measurement
from bench.run.cells import Cell
from bench.run.job import Job
from bench.run.session import Outcome, Session
from bench.run.stages import conditional, external
from bench.run.stages import sample as sampling
from bench.run.stages.recon import weights_at_hand

if TYPE_CHECKING:
    import torch

    from bench.metrics.memorisation import Neighbours
    from bench.pretrained.lpips import Backbone

SHOWN, NEAREST = 8, 3
"""How many samples the figure shows, and how many training images under each."""

WITHOUT_WEIGHTS = "r64.fc2"


def not_applicable(cell: Cell) -> str | None:
    """Needs a prior or ready-made samples."""
    return None if external.has(cell, "samples") else sampling.not_applicable(cell)


def recipe(job: Job) -> dict[str, Any]:
    """The samples, the reference and the metrics with the weights that are at hand."""
    images = external.identity(job.cell) if external.has(job.cell, "samples") else digest.of_value(sampling.recipe(job))
    return {
        "stage": "gen",
        "samples": images,
        "reference": job.session.train.digest,
        "metrics": [[m.name, weights_at_hand(m, job.session)] for m in set_metrics(job.session)],
        "protocol": job.session.protocol.name,
        "neighbours": memorisation_recipe(job.session),
    }


def set_metrics(session: Session) -> list[MetricEntry]:
    """The metrics of image sets."""
    return [metric for metric in session.tables.metrics.values() if metric.kind == "set"]


def run(job: Job) -> Outcome:
    """Measures the samples against the training split; in a conditional task also what they were made from."""
    from bench.metrics.measure import measure

    candidate = images_of(job)
    baselines = conditional.baselines(job, len(candidate)) if job.cell.task else {}
    found: list[Measurement] = []
    for prefix, images in {"": candidate, **baselines}.items():
        measured = measure(
            job.session.train,
            images,
            set_metrics(job.session),
            job.session.tables.features,
            job.session.protocol,
            job.device,
            job.session.cache,
            job.session.batch(),
            job.session.progress,
            pretrained=job.session.pretrained,
            sources=job.session.sources,
            renews=job.session.renews,
        )
        found += [dataclasses.replace(m, name=prefix + m.name) for m in measured.measurements]
    repeats = memorisation(candidate, job.session)
    return dataclasses.replace(
        repeats,
        metrics=(*found, *repeats.metrics),
        facts={"samples": candidate.digest, "images": len(candidate), **(repeats.facts or {})},
    )


def images_of(job: Job) -> ImageArray:
    """The cell's samples; ready-made ones must have the run's size: nothing is resized silently."""
    if not external.has(job.cell, "samples"):
        return sampling.all_samples(job)
    images = external.load(job)
    assert not isinstance(images, Mixed), "samples have no originals whose sizes differ"
    height, width = images.pixels.shape[2:]
    if (height, width) != (job.session.preset.resolution, job.session.preset.resolution):
        raise UsageError(
            f"'{job.cell.label}' holds images of {width}x{height} pixels, but this run measures at "
            f"{job.session.preset.resolution}; resize them yourself, or choose another --preset."
        )
    return images


def memorisation_recipe(session: Session) -> dict[str, Any]:
    """Which distances are at hand, and the stand-ins among their networks."""
    net, replaced = distance_backbone(session), session.pretrained.replacing(_networks(session))
    return {"features": distance_feature(session), "lpips": net, **({"stand-ins": list(replaced)} if replaced else {})}


def _networks(session: Session) -> tuple[str, ...]:
    """The pretrained networks behind the distances."""
    net, extractor = distance_backbone(session), distance_feature(session).partition(".")[0]
    return (*session.tables.features[extractor].needs, *((lpips.LPIPS_WEIGHTS[net],) if net else ()))


def distance_feature(session: Session) -> str:
    """The features that distances are taken of: those of the first set metric whose weights are here."""
    for metric in session.tables.metrics.values():
        if metric.kind != "set" or metric.features is None:
            continue
        name = session.protocol.features.get(metric.features, metric.features)
        needs = signatures.needed(metric, session.tables.features, session.protocol)
        if needs and all(session.pretrained.available(n) for n in needs):
            return name
    return WITHOUT_WEIGHTS


def distance_backbone(session: Session) -> Backbone | None:
    """The first LPIPS network whose weights are here."""
    nets: tuple[Backbone, ...] = ("alex", "vgg", "squeeze")
    return next((net for net in nets if session.pretrained.available(lpips.LPIPS_WEIGHTS[net])), None)


def memorisation(samples: ImageArray, session: Session) -> Outcome:
    """Every sample's nearest training image by feature distance; suspects; the figure, by LPIPS where that is here."""
    from bench.metrics import memorisation as neighbours

    train, name = session.train, distance_feature(session)
    known = _vectors(train, name, session)
    k = min(neighbours.DENSITY, len(train))
    found = neighbours.by_features(_vectors(samples, name, session), known, k)
    usual = neighbours.by_features(_vectors(session.held_out, name, session), known, k)
    equal = len(frozen.duplicates(frozen.as_frozen(train), frozen.as_frozen(samples)))
    said = neighbours.verdict(found, usual, equal)
    replaced = session.pretrained.replacing(session.tables.features[name.partition(".")[0]].needs)
    if said.warning:
        session.say(f"warning: {said.warning}")
    shown, by = _shown(samples, found, session)
    return Outcome(
        metrics=(
            Measurement(
                "suspected-copies",
                float(len(said.suspects)),
                "images",
                higher_is_better=False,
                n=len(samples),
                signature={
                    "features": name,
                    "neighbours": k,
                    "share of median": neighbours.COPY,
                    "reference": train.digest[:12],
                    "held out": session.held_out.digest[:12],
                    "count": len(samples),
                    **({"weights": ", ".join(replaced)} if replaced else {}),
                },
            ),
        ),
        facts={
            "neighbours_shown_by": by,
            "suspects": said.suspects.tolist(),
            "suspects_among_held_out": said.held_out,
            "equal_in_every_pixel": equal,
            "memorisation_warning": said.warning,
        },
        per_image={
            "nearest-train": found.indices[:, 0],
            "distance": found.distances[:, 0],
            "relative-distance": neighbours.relative(found),
        },
        pictures={"neighbours.png": neighbours_figure(samples, train, shown)},
    )


def _vectors(images: ImageArray, name: str, session: Session) -> np.ndarray:
    from bench.metrics.measure import extract

    found = extract(
        images,
        [name],
        session.tables.features,
        session.device(),
        session.cache,
        session.batch(),
        session.progress,
        session.pretrained,
    )
    return found[name].vectors


def _shown(samples: ImageArray, found: Neighbours, session: Session) -> tuple[np.ndarray, str]:
    """The numbers of the training images under each of the first samples, and by which distance."""
    from bench.metrics.memorisation import by_lpips

    net, k = distance_backbone(session), min(NEAREST, len(session.train))
    if net is None:
        return found.indices[:SHOWN, :k], distance_feature(session)
    device: torch.device = session.device()
    first = frozen.first(frozen.as_frozen(samples), SHOWN)
    network = lpips.lpips_network(net, device, session.pretrained.find(lpips.LPIPS_WEIGHTS[net]))
    nearest = by_lpips(first, session.train, net, device, session.batch(), session.progress, k, network)
    replaced = session.pretrained.replaced(lpips.LPIPS_WEIGHTS[net])
    return nearest.indices, f"lpips-{net}{f' ({STAND_IN})' if replaced else ''}"


def neighbours_figure(samples: ImageArray, train: ImageArray, nearest: np.ndarray) -> bytes:
    """A PNG: the first samples in a row and, below each, its nearest training images; ``nearest`` int ``[n, k]``."""
    return strip([samples.pixels[: len(nearest)], *(train.pixels[column] for column in nearest.T)])
