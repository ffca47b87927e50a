"""Rates that a method computes from statistics of the training images, measured on the validation images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench import registry
from bench.contract import Codes, ImageArray, RateModel, Tokenizer
from bench.plan import Cell
from bench.record import Measurement, Signature
from bench.session import Session, head
from bench.stages import tokenizers
from bench.tasks.comm import Alone

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

TRAINING_IMAGES = 5_000
"""At most this many training images give the statistics."""


def recipe(cell: Cell, session: Session) -> str | None:
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
    return measurements(bits, session.preset.resolution**2, statistics)


def _training(session: Session) -> ImageArray | None:
    return head(session.train, TRAINING_IMAGES) if session.dataset.train is not None else None


def encoded(
    tokenizer: Tokenizer, array: ImageArray, batch: int, device: torch.device
) -> Iterator[tuple[Tensor, Codes]]:
    """Batches of images, uint8 ``[B, 3, H, W]``, with their codes."""
    import torch

    with torch.inference_mode():
        for first in range(0, len(array), batch):
            images = torch.from_numpy(array.pixels[first : first + batch].copy()).to(device)
            yield images, tokenizer.encode(images)


def measurements(bits: dict[str, list[np.ndarray]], pixels: int, statistics: str | None) -> tuple[Measurement, ...]:
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
