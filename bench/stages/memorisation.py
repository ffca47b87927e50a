"""Whether samples repeat training images: distances, suspects, a warning and the figure of nearest neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench import arrays, networks
from bench.contract import ImageArray
from bench.pictures import strip
from bench.record import STAND_IN, Measurement
from bench.session import Outcome, Session

if TYPE_CHECKING:
    import torch

    from bench.networks import Backbone
    from bench.tasks.neighbours import Neighbours

SHOWN, NEAREST = 8, 3
"""How many samples the figure shows, and how many training images under each."""

WITHOUT_WEIGHTS = "r64.fc2"


def recipe(session: Session) -> dict[str, Any]:
    """Which distances are at hand, and the stand-ins among their networks."""
    net, replaced = backbone(session), session.pretrained.replacing(_networks(session))
    return {"features": feature(session), "lpips": net, **({"stand-ins": list(replaced)} if replaced else {})}


def _networks(session: Session) -> tuple[str, ...]:
    """The pretrained networks behind the distances."""
    net, extractor = backbone(session), feature(session).partition(".")[0]
    return (*session.tables.features[extractor].needs, *((networks.LPIPS_WEIGHTS[net],) if net else ()))


def feature(session: Session) -> str:
    """The features that distances are taken of: those of the first set metric whose weights are here."""
    for metric in session.tables.metrics.values():
        if metric.kind != "set" or metric.features is None:
            continue
        name = session.protocol.features.get(metric.features, metric.features)
        needs = networks.needed(metric, session.tables.features, session.protocol)
        if needs and all(session.pretrained.available(n) for n in needs):
            return name
    return WITHOUT_WEIGHTS


def backbone(session: Session) -> Backbone | None:
    """The first LPIPS network whose weights are here."""
    nets: tuple[Backbone, ...] = ("alex", "vgg", "squeeze")
    return next((net for net in nets if session.pretrained.available(networks.LPIPS_WEIGHTS[net])), None)


def memorisation(samples: ImageArray, session: Session) -> Outcome:
    """Every sample's nearest training image by feature distance; suspects; the figure, by LPIPS where that is here."""
    from bench.tasks import neighbours

    train, name = session.train, feature(session)
    known = _vectors(train, name, session)
    k = min(neighbours.DENSITY, len(train))
    found = neighbours.by_features(_vectors(samples, name, session), known, k)
    usual = neighbours.by_features(_vectors(session.val, name, session), known, k)
    equal = len(arrays.duplicates(arrays.as_frozen(train), arrays.as_frozen(samples)))
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
                    "held out": session.val.digest[:12],
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
        pictures={"neighbours.png": figure(samples, train, shown)},
    )


def _vectors(images: ImageArray, name: str, session: Session) -> np.ndarray:
    from bench.tasks.neighbours import feature_vectors

    return feature_vectors(
        images,
        name,
        session.tables.features,
        session.protocol,
        session.device(),
        session.cache,
        session.batch(),
        session.progress,
        session.pretrained,
    )


def _shown(samples: ImageArray, found: Neighbours, session: Session) -> tuple[np.ndarray, str]:
    """The numbers of the training images under each of the first samples, and by which distance."""
    from bench.tasks.neighbours import by_lpips

    net, k = backbone(session), min(NEAREST, len(session.train))
    if net is None:
        return found.indices[:SHOWN, :k], feature(session)
    device: torch.device = session.device()
    first = arrays.first(arrays.as_frozen(samples), SHOWN)
    network = networks.lpips_network(net, device, session.pretrained.find(networks.LPIPS_WEIGHTS[net]))
    nearest = by_lpips(first, session.train, net, device, session.batch(), session.progress, k, network)
    replaced = session.pretrained.replaced(networks.LPIPS_WEIGHTS[net])
    return nearest.indices, f"lpips-{net}{f' ({STAND_IN})' if replaced else ''}"


def figure(samples: ImageArray, train: ImageArray, nearest: np.ndarray) -> bytes:
    """A PNG: the first samples in a row and, below each, its nearest training images; ``nearest`` int ``[n, k]``."""
    return strip([samples.pixels[: len(nearest)], *(train.pixels[column] for column in nearest.T)])
