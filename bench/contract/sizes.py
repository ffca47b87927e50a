"""Which images a tokenizer takes, as plain data: of any size, of multiples of a stride, or of one size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnySize:
    """Images of any height and width; what has to be padded the method pads itself."""


@dataclass(frozen=True)
class MultiplesOf:
    """Images whose height and width are multiples of these; the harness pads others, and crops what was decoded.

    ``token``: pixels along a side of a token of the finest self-attention, whose memory grows with the square of the
    number of tokens; None where there is none. ``fused``: it is :func:`scaled_dot_product_attention`, which keeps no
    map of all pairs of tokens on CUDA.
    """

    height: int
    width: int
    token: int | None = None
    fused: bool = False


@dataclass(frozen=True)
class FixedSize:
    """Images of this height and width alone."""

    height: int
    width: int


Takes = AnySize | MultiplesOf | FixedSize
ANY_SIZE = AnySize()


def built_size(settings: object, size: tuple[int, int]) -> Takes:
    """What a tokenizer takes that was built for images of one size: those alone."""
    return FixedSize(*size)
