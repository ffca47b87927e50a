"""Reconstruction: the validation images through the tokenizer, and everything measured on pairs and on both sets."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from bench.contract import Codes, RateModel
from bench.core import codes as codes_of
from bench.core import digest, registry
from bench.core.distributed import Alone
from bench.core.images import ImageArray
from bench.data.export import strip
from bench.metrics import signatures
from bench.metrics.entries import MetricEntry
from bench.results.record import Measurement, Signature
from bench.run.cells import Cell
from bench.run.session import Outcome, Session, head
from bench.run.stages import external, placement, tokenizers
from bench.run.stages.tokenizers import encoded

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bench.data.frozen import Frozen

VERSION = 1
EXAMPLES = 16
NOTHING_MADE: dict[str, Any] = {"rate": [], "facts": {}}
"""What is known of the codes behind ready-made reconstructions."""

RATE_BITS = 8
"""The bit depth at which the rate of bounded continuous codes is stated ("8-bit keys")."""

TRAINING_IMAGES = 5_000
"""At most this many training images give the statistics."""


def obstacle(cell: Cell) -> str | None:
    """Methods without a tokenizer have no reconstructions."""
    return None if external.has(cell, "recons") else tokenizers.obstacle(cell)


def recipe(cell: Cell, session: Session) -> dict[str, Any]:
    """The reconstructions and the metrics with the weights that are at hand: new weights, new measurement."""
    return {
        **images_recipe(cell, session),
        "metrics": [[m.name, m.version, weights_at_hand(m, session)] for m in session.tables.metrics.values()],
        "protocol": session.protocol.name,
        "clock": session.config.clock,
        "rates": rates_recipe(cell, session),
        **({"execution": session.execution} if session.config.clock and session.execution else {}),
    }


def images_recipe(cell: Cell, session: Session) -> dict[str, Any]:
    """What decides the reconstructed pixels."""
    made = {"ready": external.identity(cell)} if external.has(cell, "recons") else tokenizers.identity(cell, session)
    images = session.val.digest
    return {"stage": "recon", "version": VERSION, "tokenizer": made, "images": images, **tokenizers.noise_recipe(cell)}


def weights_at_hand(metric: MetricEntry, session: Session) -> list[str]:
    """The weights this metric lacks on this machine, by name, or the stand-ins that it takes for them."""
    found = session.pretrained
    needs = signatures.needed(metric, session.tables.features, session.protocol)
    return [name for name in needs if not found.available(name)] + list(found.replacing(needs))


def run(cell: Cell, session: Session) -> Outcome:
    """Encodes, decodes, measures. Reconstructions that are in the cache are only measured."""
    from bench.metrics.measure import measure

    device, reference = session.device(), session.val
    candidate: ImageArray
    if external.has(cell, "recons"):
        candidate, made = external.load(cell, session), NOTHING_MADE
    else:
        frozen = reconstructions(cell, session, device)
        candidate, made = frozen, frozen.manifest["made"]
    measured = measure(
        reference,
        candidate,
        list(session.tables.metrics.values()),
        session.tables.features,
        session.protocol,
        device,
        session.cache,
        session.batch(),
        session.progress,
        pretrained=session.pretrained,
    )
    return Outcome(
        metrics=(
            *measured.measurements,
            *(Measurement(**m) for m in made["rate"]),
            *rates(cell, session, device),
            *_clock(cell, session, device),
        ),
        facts={
            "reconstructions": candidate.digest,
            "images": len(reference),
            **external.facts(candidate),
            **made["facts"],
            **tokenizers.noise_facts(cell),
        },
        per_image=measured.per_image,
        pictures={
            "examples.png": strip([reference.pixels[:EXAMPLES], candidate.pixels[:EXAMPLES]]),
            **placement.pictures(cell, session, reference.pixels),
        },
    )


def reconstructions(cell: Cell, session: Session, device: torch.device) -> Frozen:
    """The decoded images; the manifest's "made" holds the rate and the shape of the codes they came from."""
    from bench.data.freezing import existing
    from bench.evaluate.rate import Meter, profile
    from bench.evaluate.reconstruct import reconstruct

    folder = session.cache / "images" / digest.of_value(images_recipe(cell, session))[:32]
    there = existing(folder)
    if there is not None:
        return there
    tokenizer = tokenizers.tokenizer(cell, session, device)
    meter = Meter(RATE_BITS)
    first: list[Codes] = []

    def see(codes: Codes) -> None:
        meter.update(codes)
        if not first:
            first.append(codes_of.take(codes, [0]))

    def made() -> dict[str, Any]:
        rate = [dataclasses.asdict(m) for m in meter.measurements(session.preset.resolution**2)]
        used = {} if meter.usage is None else {"code_counts": profile(meter.usage), "code_entries": len(meter.usage)}
        return {"made": {"rate": rate, "facts": {"revision": tokenizer.revision, **code_facts(first[0]), **used}}}

    batch, noise = session.batch(), tokenizers.noise_seed(cell)
    return reconstruct(tokenizer, session.val, folder, device, batch, see, session.progress, made, noise)


def code_facts(codes: Codes) -> dict[str, Any]:
    """Kind, shape and grid of one image's codes."""
    grid = codes_of.grid(codes)
    return {"code_kind": codes_of.KINDS[type(codes)], "code_shape": codes_of.shape(codes), "grid": grid}


def _clock(cell: Cell, session: Session, device: torch.device) -> tuple[Measurement, ...]:
    if not session.config.clock:
        return ()
    from bench.evaluate.clock import clock

    tokenizer = tokenizers.tokenizer(cell, session, device)
    return clock(tokenizer, head(session.val, session.batch()).pixels, device, execution=session.execution)


def rates_recipe(cell: Cell, session: Session) -> str | None:
    """What the statistics come from, or None for a method without such rates or a dataset without training images."""
    training = _training(session) if cell.entry.rates else None
    return None if training is None else training.digest


def rates(cell: Cell, session: Session, device: torch.device) -> tuple[Measurement, ...]:
    """``<rate>-bits-per-image`` and ``<rate>-bits-per-pixel`` for every rate the method names; none for most.

    Without training images there are only the rates that need no statistics.
    """
    if cell.entry.rates is None:
        return ()
    training = _training(session)
    build = session.build(cell.seed, device, Alone())
    model: RateModel = registry.load(cell.entry.rates)(cell.settings, build)
    tokenizer = tokenizers.tokenizer(cell, session, device)
    count = 0 if training is None else len(training)
    with session.progress("rates", count + len(session.val)) as advance:
        for images, codes in encoded(tokenizer, training, session.batch(), device) if training else ():
            model.update(images, codes)
            advance(len(images))
        bits: dict[str, list[np.ndarray]] = {}
        for images, codes in encoded(tokenizer, session.val, session.batch(), device):
            for name, values in model.bits(images, codes).items():
                bits.setdefault(name, []).append(values)
            advance(len(images))
    statistics = f"{count} training images {training.digest[:16]}" if training else None
    return rate_measurements(bits, session.preset.resolution**2, statistics)


def _training(session: Session) -> ImageArray | None:
    return head(session.train, TRAINING_IMAGES) if session.dataset.train is not None else None


def rate_measurements(
    bits: dict[str, list[np.ndarray]], pixels: int, statistics: str | None
) -> tuple[Measurement, ...]:
    """Means over the images; the signature names the images that the statistics come from."""
    import numpy as np

    found: list[Measurement] = []
    for name, batches in bits.items():
        joined = np.concatenate(batches)
        signature: Signature = {"bits": name, "statistics": statistics}
        for unit, size in (("image", 1), ("pixel", pixels)):
            value = float(joined.mean()) / size
            words = "bits" if unit == "image" else "bits per pixel"
            found.append(Measurement(f"{name}-bits-per-{unit}", value, words, False, len(joined), signature=signature))
    return tuple(found)
