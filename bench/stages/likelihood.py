"""How probable a prior finds the validation images' codes, for priors that can say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench import registry
from bench.contract import Prior, Tokenizer
from bench.plan import Cell
from bench.record import Measurement, Signature
from bench.session import Session, head
from bench.stages import tokenizers
from bench.stages.rates import encoded

if TYPE_CHECKING:
    import torch

IMAGES = 512
"""At most this many validation images."""


def measurements(
    cell: Cell, session: Session, trained: Callable[[torch.device, Tokenizer], Prior]
) -> tuple[Measurement, ...]:
    """``nll-bits-per-image`` and ``nll-bits-per-pixel``, means over images; none for most priors."""
    if cell.entry.likelihood is None:
        return ()
    import numpy as np

    bits_of = registry.load(cell.entry.likelihood)
    device = session.device()
    tokenizer = tokenizers.tokenizer(cell, session, device)
    prior, images = trained(device, tokenizer), head(session.val, IMAGES)
    found = []
    with session.progress("likelihood", len(images)) as advance:
        for pixels, codes in encoded(tokenizer, images, session.batch(), device):
            found.append(bits_of(prior, codes))
            advance(len(pixels))
    bits = np.concatenate(found)
    signature: Signature = {"images": images.digest[:16], "tokenizer": tokenizer.revision[:16]}
    return tuple(
        Measurement(name, float(bits.mean()) / size, unit, False, len(bits), signature=signature)
        for name, unit, size in (
            ("nll-bits-per-image", "bits", 1),
            ("nll-bits-per-pixel", "bits per pixel", session.preset.resolution**2),
        )
    )
