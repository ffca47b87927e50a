"""DCTransformer's sizes and training by preset. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.contract import SAMPLE_FIELD
from bench.errors import UsageError
from methods.priors.settings import Optimisation


@dataclass(frozen=True)
class DCTransformer:
    """An encoder over the partial DCT image and three stacked decoders: channel, position, value.

    - ``encoder_blocks``, ``decoder_blocks`` (each of the three): an attention layer (decoders: and one to the encoder)
      followed by ``feed_forward`` layers that are ``expansion`` times as wide.
    - ``chunk`` triples are predicted from the encoding of all before them, the last ``overlap`` of which the decoders
      see as well. Training draws a chunk with a preference for early ones that falls to the share ``floor``.
    - ``temperature`` divides all logits in sampling.
    """

    width: int
    heads: int
    encoder_blocks: int
    decoder_blocks: int
    optimisation: Optimisation
    feed_forward: int = 2
    expansion: int = 4
    chunk: int = 896
    overlap: int = 128
    dropout: float = 0.0
    floor: float = 0.1
    temperature: float = field(default=1.0, metadata=SAMPLE_FIELD)

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UsageError(f"width={self.width} is not a multiple of heads={self.heads}.")
        if self.chunk < 1 or not self.overlap >= 0:
            raise UsageError(f"chunk={self.chunk} must be at least 1 and overlap={self.overlap} at least 0.")
        if not self.temperature > 0:
            raise UsageError(f"temperature={self.temperature} is not above 0.")


SMOKE = DCTransformer(
    width=32,
    heads=2,
    encoder_blocks=1,
    decoder_blocks=1,
    feed_forward=1,
    chunk=48,
    overlap=8,
    optimisation=Optimisation(batch=8, rate=5e-3, warm_up=20),
)
SMALL = DCTransformer(
    width=96,
    heads=4,
    encoder_blocks=1,
    decoder_blocks=1,
    feed_forward=1,
    chunk=96,
    overlap=16,
    optimisation=Optimisation(batch=16, rate=2e-3, warm_up=100, cosine=True, clip=1.0),
)
MEDIUM = DCTransformer(
    width=512,
    heads=8,
    encoder_blocks=4,
    decoder_blocks=3,
    chunk=448,
    overlap=64,
    dropout=0.1,
    optimisation=Optimisation(batch=64, rate=5e-4, warm_up=1_000, cosine=True, clip=1.0),
)
PAPER = DCTransformer(
    width=1024,
    heads=16,
    encoder_blocks=4,
    decoder_blocks=4,
    chunk=896,
    overlap=128,
    dropout=0.1,
    optimisation=Optimisation(batch=512, rate=5e-4, warm_up=1_000, cosine=True),
)
"""Published: chunk, overlap, batch, rate, warm-up, dropout. Inferred: width, heads, numbers of blocks and layers."""

TABLE = {"smoke": SMOKE, "small": SMALL, "medium": MEDIUM, "paper": PAPER}


def settings(preset: str, variant: str | None) -> DCTransformer:
    """The settings of a preset."""
    return TABLE[preset]
