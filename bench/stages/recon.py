"""Reconstruction: the validation images through the tokenizer, and everything measured on pairs and on both sets."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from bench import codes as codes_of
from bench import digest, networks
from bench.contract import Codes, ImageArray
from bench.entries import MetricEntry
from bench.pictures import strip
from bench.plan import Cell
from bench.record import Measurement
from bench.session import Outcome, Session
from bench.stages import decoding, placement, rates, ready, tokenizers

if TYPE_CHECKING:
    import torch

    from bench.arrays import Frozen

VERSION = 1
EXAMPLES = 16
NOTHING_MADE: dict[str, Any] = {"rate": [], "facts": {}}
"""What is known of the codes behind ready-made reconstructions."""

RATE_BITS = 8
"""The bit depth at which the rate of bounded continuous codes is stated ("8-bit keys")."""


def obstacle(cell: Cell) -> str | None:
    """Methods without a tokenizer have no reconstructions."""
    return None if ready.has(cell, "recons") else tokenizers.obstacle(cell)


def recipe(cell: Cell, session: Session) -> dict[str, Any]:
    """The reconstructions and the metrics with the weights that are at hand: new weights, new measurement."""
    return {
        **images_recipe(cell, session),
        "metrics": [[m.name, m.version, weights_at_hand(m, session)] for m in session.tables.metrics.values()],
        "protocol": session.protocol.name,
        "clock": session.config.clock,
        "rates": rates.recipe(cell, session),
        **({"execution": session.execution} if session.config.clock and session.execution else {}),
    }


def images_recipe(cell: Cell, session: Session) -> dict[str, Any]:
    """What decides the reconstructed pixels."""
    made = {"ready": ready.identity(cell)} if ready.has(cell, "recons") else tokenizers.identity(cell, session)
    images = session.val.digest
    return {"stage": "recon", "version": VERSION, "tokenizer": made, "images": images, **decoding.recipe(cell)}


def weights_at_hand(metric: MetricEntry, session: Session) -> list[str]:
    """The weights this metric lacks on this machine, by name, or the stand-ins that it takes for them."""
    found = session.pretrained
    needs = networks.needed(metric, session.tables.features, session.protocol)
    return [name for name in needs if not found.available(name)] + list(found.replacing(needs))


def run(cell: Cell, session: Session) -> Outcome:
    """Encodes, decodes, measures. Reconstructions that are in the cache are only measured."""
    from bench.tasks.measure import measure

    device, reference = session.device(), session.val
    candidate: ImageArray
    if ready.has(cell, "recons"):
        candidate, made = ready.load(cell, session), NOTHING_MADE
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
            *rates.rates(cell, session, device),
            *_clock(cell, session, device),
        ),
        facts={
            "reconstructions": candidate.digest,
            "images": len(reference),
            **made["facts"],
            **decoding.facts(cell),
        },
        per_image=measured.per_image,
        pictures={
            "examples.png": strip([reference.pixels[:EXAMPLES], candidate.pixels[:EXAMPLES]]),
            **placement.pictures(cell, session, reference.pixels),
        },
    )


def reconstructions(cell: Cell, session: Session, device: torch.device) -> Frozen:
    """The decoded images; the manifest's "made" holds the rate and the shape of the codes they came from."""
    from bench.freezing import existing
    from bench.rate import Meter, profile
    from bench.tasks.reconstruct import reconstruct

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

    batch, noise = session.batch(), decoding.seed(cell)
    return reconstruct(tokenizer, session.val, folder, device, batch, see, session.progress, made, noise)


def code_facts(codes: Codes) -> dict[str, Any]:
    """Kind, shape and grid of one image's codes."""
    grid = codes_of.grid(codes)
    return {"code_kind": codes_of.KINDS[type(codes)], "code_shape": codes_of.shape(codes), "grid": grid}


def _clock(cell: Cell, session: Session, device: torch.device) -> tuple[Measurement, ...]:
    if not session.config.clock:
        return ()
    from bench.session import head
    from bench.tasks.clock import clock

    tokenizer = tokenizers.tokenizer(cell, session, device)
    return clock(tokenizer, head(session.val, session.batch()).pixels, device, execution=session.execution)
