"""Reconstruction: the validation images through the tokenizer, and everything measured on pairs and on both sets."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from bench.contract import Codes, Stream
from bench.core import codes as codes_of
from bench.core import digest
from bench.core.distributed import Alone
from bench.core.images import ImageArray
from bench.data import sized
from bench.data.export import boxed, strip
from bench.data.mixed import Mixed
from bench.data.sized import Images
from bench.metrics import signatures
from bench.metrics.entries import MetricEntry
from bench.results.record import Measurement, Signature
from bench.run import code, sizes, tokenizers
from bench.run.cells import Cell
from bench.run.job import Job
from bench.run.session import Outcome, Session, head
from bench.run.stages import external, placement
from bench.run.tokenizers import encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from bench.data.frozen import Frozen

MAKING = ("bench.evaluate.reconstruct", "bench.evaluate.rate", "bench.evaluate.usage")
"""The code between a tokenizer and its reconstructions with their rate."""
FEWEST, MOST, EXAMPLE_PIXELS = 4, 16, 16 * 128 * 128
"""How many examples are kept beside a result: 16 up to 128 px, 4 from 256 px on, so that a sweep stays small."""
EXAMPLE_SIDE = 256
"""Pixels of a side of an example that is no square; a larger one is shown reduced."""

NOTHING_MADE: dict[str, Any] = {"rate": [], "facts": {}}
"""What is known of the codes behind ready-made reconstructions."""

TRAINING_IMAGES = 5_000
"""At most this many training images give the statistics."""


def not_applicable(cell: Cell) -> str | None:
    """Methods without a tokenizer have no reconstructions."""
    return None if external.has(cell, "recons") else tokenizers.not_applicable(cell)


def recipe(job: Job) -> dict[str, Any]:
    """The reconstructions and the metrics with the weights that are at hand: new weights, new measurement."""
    return {
        **images_recipe(job),
        "metrics": [[m.name, weights_at_hand(m, job.session)] for m in job.session.tables.metrics.values()],
        "protocol": job.session.protocol.name,
        "clock": job.session.config.clock,
        "rates": rates_recipe(job),
        **({"execution": job.session.execution} if job.session.config.clock and job.session.execution else {}),
    }


def images_recipe(job: Job) -> dict[str, Any]:
    """What decides the reconstructed pixels."""
    made = {"ready": external.identity(job.cell)} if external.has(job.cell, "recons") else job.tokenizer.identity
    images = job.session.val.digest
    return {
        "stage": "recon",
        "code": code.of_images(job.cell.entry, job.session, MAKING, ("recon",)),
        "tokenizer": made,
        "images": images,
        **tokenizers.noise_recipe(job.cell),
        **tokenizers.depth_recipe(job.cell),
        **({} if external.has(job.cell, "recons") else sizes.recipe(job)),
    }


def weights_at_hand(metric: MetricEntry, session: Session) -> list[str]:
    """The weights this metric lacks on this machine, by name, or the stand-ins that it takes for them."""
    found = session.pretrained
    needs = signatures.needed(metric, session.tables.features, session.protocol)
    return [name for name in needs if not found.available(name)] + list(found.replacing(needs))


def run(job: Job) -> Outcome:
    """Encodes, decodes, measures. Reconstructions that are in the cache are only measured."""
    from bench.metrics.measure import measure

    device, reference = job.device, job.session.val
    candidate: Images
    if external.has(job.cell, "recons"):
        candidate, made = external.load(job), NOTHING_MADE
    else:
        candidate = reconstructions(job)
        made = candidate.manifest["made"]
    measured = measure(
        reference,
        candidate,
        list(job.session.tables.metrics.values()),
        job.session.tables.features,
        job.session.protocol,
        device,
        job.session.cache,
        job.session.batch(),
        job.session.progress,
        pretrained=job.session.pretrained,
        sources=job.session.sources,
        renews=job.session.renews,
    )
    return Outcome(
        metrics=(
            *measured.measurements,
            *(Measurement(**m) for m in made["rate"]),
            *rates(job),
            *_clock(job),
        ),
        facts={
            "reconstructions": candidate.digest,
            "images": len(reference),
            **external.facts(candidate),
            **made["facts"],
            **tokenizers.noise_facts(job.cell),
            **tokenizers.depth_recipe(job.cell),
            **tokenizers.weight_facts(job.cell, job.session.readings),
            **(sizes.facts(job) if made is not NOTHING_MADE else {}),
        },
        per_image=with_sizes(measured.per_image, sized.sizes(reference)),
        pictures={
            "examples.png": strip([shown(images) for images in (reference, candidate)]),
            **placement.pictures(job, sized.alike(reference, placement.IMAGES)),
        },
    )


def with_sizes(values: Mapping[str, np.ndarray], found: np.ndarray) -> dict[str, np.ndarray]:
    """Per-image values with the images' height and width, in pixels; nothing where no value is of a single image."""
    return {**values, "height": found[:, 0], "width": found[:, 1]} if values else {}


def shown(images: Images) -> np.ndarray:
    """The first images as squares of one size, uint8 ``[n, 3, S, S]``: as they are, or whole in a square of white.

    Squares of white are for images of other shapes; their side is at most :data:`EXAMPLE_SIDE` pixels.
    """
    import numpy as np

    if not isinstance(images, Mixed) and images.pixels.shape[2] == images.pixels.shape[3]:
        return images.pixels[: _examples(images.pixels.shape[2])]
    side = min(int(sized.sizes(images).max()), EXAMPLE_SIDE)
    first = sized.first(images, _examples(side))
    return np.concatenate([boxed(sized.take(first, np.array([i]))[0], side)[None] for i in range(len(first))])


def _examples(side: int) -> int:
    return max(FEWEST, min(MOST, EXAMPLE_PIXELS // side**2))


def reconstructions(job: Job) -> Frozen | Mixed:
    """The decoded images; the manifest's "made" holds the rate and the shape of the codes they came from."""
    from bench.data.freezing import existing_images
    from bench.evaluate.rate import Meter
    from bench.evaluate.reconstruct import reconstruct
    from bench.evaluate.usage import profile

    folder = job.session.cache / "images" / digest.of_value(images_recipe(job))[:32]
    there = existing_images(folder, job.session.renews)
    if there is not None:
        return there
    tokenizer = job.tokenizer.open()
    depth = tokenizers.bit_depth(job.cell)
    meter = Meter(depth)
    session, first = job.session, list[Codes]()
    pixels = pixels_in_order(session.val, session.batch())

    def see(codes: Codes) -> None:
        meter.update(codes)
        if not first:
            first.append(codes_of.take(codes, [0]))

    def made() -> dict[str, Any]:
        rate = [dataclasses.asdict(m) for m in meter.measurements(pixels)]
        used = {} if meter.usage is None else {"code_counts": profile(meter.usage), "code_entries": meter.usage.entries}
        about = {"revision": tokenizer.revision, **code_facts(first[0]), **sizes.first_coded(job), **used}
        return {"made": {"rate": rate, "facts": about}}

    noise, batch, progress = tokenizers.noise_seed(job.cell), session.batch(), session.progress
    return reconstruct(
        tokenizer, session.val, folder, job.device, batch, see, progress, made, noise, depth, sizes.of(job)
    )


def pixels_in_order(images: Images, batch: int) -> np.ndarray:
    """The pixels of each image, int64 ``[N]``, in the order in which batches of at most ``batch`` come."""
    import numpy as np

    found = sized.sizes(images)
    pixels: np.ndarray = found.prod(axis=1)[np.concatenate(sized.plan(found, batch))]
    return pixels


def code_facts(codes: Codes) -> dict[str, Any]:
    """Kind, shape and grid of one image's codes, and the library that wrote them where another one did."""
    facts = {
        "code_kind": codes_of.KINDS[type(codes)],
        "code_shape": codes_of.shape(codes),
        "grid": codes_of.grid(codes),
    }
    return {**facts, **({"library": codes.library} if isinstance(codes, Stream) and codes.library else {})}


def _clock(job: Job) -> tuple[Measurement, ...]:
    if not job.session.config.clock:
        return ()
    import torch

    from bench.evaluate import fitting
    from bench.evaluate.clock import clock

    session = job.session
    pixels = fitting.padded(sizes.of(job), torch.from_numpy(sized.largest(session.val, session.batch()))).numpy()
    return clock(job.tokenizer.open(), pixels, job.device, execution=session.execution)


def rates_recipe(job: Job) -> str | None:
    """What the statistics come from, or None for a method without such rates or a dataset without training images."""
    training = _training(job.session) if job.cell.code.rates else None
    return None if training is None else training.digest


def rates(job: Job) -> tuple[Measurement, ...]:
    """``<rate>-bits-per-image`` and ``<rate>-bits-per-pixel`` for every rate the method names; none for most.

    Without training images there are only the rates that need no statistics.
    """
    make = job.cell.code.rates
    if make is None:
        return ()
    training = _training(job.session)
    model = make(job.cell.settings, job.build(job.device, Alone()))
    tokenizer = job.tokenizer.open()
    count = 0 if training is None else len(training)
    with job.session.progress("rates", count + len(job.session.val)) as advance:
        for images, codes in encoded(tokenizer, training, job.session.batch(), job.device) if training else ():
            model.update(images, codes)
            advance(len(images))
        bits: dict[str, list[np.ndarray]] = {}
        for images, codes in encoded(tokenizer, job.session.val, job.session.batch(), job.device, sizes.of(job)):
            for name, values in model.bits(images, codes).items():
                bits.setdefault(name, []).append(values)
            advance(len(images))
    statistics = f"{count} training images {training.digest[:16]}" if training else None
    return rate_measurements(bits, pixels_in_order(job.session.val, job.session.batch()), statistics)


def _training(session: Session) -> ImageArray | None:
    return head(session.train, TRAINING_IMAGES) if session.dataset.train is not None else None


def rate_measurements(
    bits: dict[str, list[np.ndarray]], pixels: int | np.ndarray, statistics: str | None
) -> tuple[Measurement, ...]:
    """Means over the images (:func:`bench.evaluate.rate.means`); the signature names what the statistics come from."""
    import numpy as np

    from bench.evaluate.rate import UNITS, means

    found: list[Measurement] = []
    for name, batches in bits.items():
        joined = np.concatenate(batches)
        signature: Signature = {"bits": name, "statistics": statistics}
        for rate, value in means(joined, pixels).items():
            found.append(Measurement(f"{name}-{rate}", value, UNITS[rate], False, len(joined), signature=signature))
    return tuple(found)
