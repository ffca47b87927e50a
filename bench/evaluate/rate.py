"""What counts as a bit: the rate of codes of every kind.

The rate is that of a fixed-length code, so it needs no statistics: every symbol costs the logarithm of its alphabet; a
list of triples is channels (with a stop token), positions and values. A finished bitstream costs its bytes. Continuous
codes have a rate only once they are rounded to a named number of uniform levels between their bounds. What an entropy
coder would save is another number, under another name (:class:`bench.contract.RateModel`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import log2

import numpy as np

from bench.contract import Codes, Continuous, Indices, Sparse, Stream
from bench.core import codes as codes_of
from bench.errors import UsageError
from bench.evaluate.usage import Use, codebook, use
from bench.results.record import Measurement, Signature

DEPTHS = range(1, 17)
UNITS = {"bits-per-image": "bits", "bits-per-pixel": "bits per pixel", "total-bits-per-pixel": "bits per pixel"}
ALWAYS = ("bits-per-image", "bits-per-pixel")
FIXED_LENGTH, WHOLE_FILE, PAYLOAD = "fixed-length code", "whole file", "file without its header"


def bits_per_image(codes: Codes, bit_depth: int | None = None) -> np.ndarray:
    """Bits of each image's codes, float64 ``[N]``; for a bitstream the whole file, headers included.

    ``bit_depth`` is for continuous codes alone. Raises :class:`UsageError` where they have no rate: without a bit
    depth, or without bounds.
    """
    if isinstance(codes, Stream):
        return np.array([8.0 * len(data) for data in codes.data])
    if isinstance(codes, Sparse):
        channels, positions, values = codes.shape
        stop, body = log2(channels + 1), log2(positions) + log2(values)
        return np.array([(len(t) + 1) * stop + len(t) * body for t in codes.triples])
    count = len(codes.tensor)
    if isinstance(codes, Indices):
        return np.full(count, codes_of.places(codes) * sum(log2(level) for level in codes.levels))
    elements = codes.tensor[0].numel() if count else 0
    _bounds(codes)
    if bit_depth is None:
        raise UsageError("Continuous codes have a rate only at a bit depth; name one, for example 8.")
    return np.full(count, float(elements * _depth(bit_depth)))


def payload_bits_per_image(codes: Codes, bit_depth: int | None = None) -> np.ndarray:
    """As :func:`bits_per_image`, without the bits of a file that do not depend on the image's content."""
    bits = bits_per_image(codes, bit_depth)
    return bits - np.array(codes.header_bits, np.float64) if isinstance(codes, Stream) else bits


def quantise_uniform(codes: Continuous, bit_depth: int) -> Continuous:
    """Rounds every value to the nearest of ``2**bit_depth`` equally spaced levels, the two bounds among them.

    Raises :class:`UsageError` for unbounded codes and for a bit depth outside 1..16.
    """
    low, high = _bounds(codes)
    steps = 2 ** _depth(bit_depth) - 1
    unit = (codes.tensor.double() - low) / (high - low)
    levels = (unit.clamp(0.0, 1.0) * steps).round() / steps
    return replace(codes, tensor=(levels * (high - low) + low).to(codes.tensor.dtype))


def rounded(codes: Codes, bit_depth: int | None) -> Codes:
    """The codes that a rate at ``bit_depth`` is that of: :func:`quantise_uniform`, or as they are where it is None.

    Raises :class:`UsageError` for a bit depth of codes that are not continuous.
    """
    if bit_depth is None:
        return codes
    if not isinstance(codes, Continuous):
        raise UsageError(f"A bit depth of {bit_depth} is for continuous codes, not for {type(codes).__name__}.")
    return quantise_uniform(codes, bit_depth)


def _bounds(codes: Continuous) -> tuple[float, float]:
    if codes.low is None or codes.high is None:
        raise UsageError("Unbounded continuous codes have no rate: no uniform levels can be laid between their bounds.")
    return codes.low, codes.high


def _depth(bit_depth: int) -> int:
    if bit_depth not in DEPTHS:
        raise UsageError(f"A bit depth of {bit_depth} is outside {DEPTHS[0]}..{DEPTHS[-1]}.")
    return bit_depth


class Meter:
    """Streaming rate of one tokenizer's codes over a set of images.

    For :class:`Indices` it also counts how often each entry was used (:class:`bench.evaluate.usage.Use`), positions
    pooled. All codes given to one meter are of one kind.
    """

    def __init__(self, bit_depth: int | None = None) -> None:
        self._bit_depth = bit_depth
        self._bits: list[np.ndarray] = []
        self._payload: list[np.ndarray] = []
        self._kind: type | None = None
        self._usage: Use | None = None
        self._absent: str | None = None

    def update(self, codes: Codes) -> None:
        """Adds a batch of codes."""
        self._kind = type(codes)
        if isinstance(codes, Indices):
            counted = use(codes)
            self._usage = counted if self._usage is None else self._usage.joined(counted)
        if isinstance(codes, Continuous):
            self._absent = _why_no_rate(codes, self._bit_depth)
        if self._absent is None:
            self._bits.append(bits_per_image(codes, self._bit_depth))
            self._payload.append(payload_bits_per_image(codes, self._bit_depth))

    @property
    def bits(self) -> np.ndarray:
        """Bits of each image so far, float64 ``[N]``; empty where the codes have no rate."""
        return np.concatenate([np.empty(0), *self._bits])

    @property
    def usage(self) -> Use | None:
        """How often each entry was used so far; None for codes that are no indices."""
        return self._usage

    def measurements(self, pixels: int | np.ndarray) -> tuple[Measurement, ...]:
        """Rate, and payload rate, codebook use and entropy where they apply, for images of ``pixels`` pixels each.

        ``pixels`` int64 ``[N]`` are those of each image, in the order in which their codes were given
        (:func:`means`). Codebook use and entropy are those of :func:`bench.evaluate.usage.codebook`.
        """
        rates = [*self._rates("", self.bits, pixels)]
        if self._kind is Stream:
            rates += self._rates("payload-", np.concatenate([np.empty(0), *self._payload]), pixels)
        return (*rates, *(codebook(self._usage) if self._usage is not None else ()))

    def _rates(self, prefix: str, bits: np.ndarray, pixels: int | np.ndarray) -> list[Measurement]:
        counts = PAYLOAD if prefix else WHOLE_FILE if self._kind is Stream else FIXED_LENGTH
        signature: Signature = {"bits": counts, "bit-depth": self._bit_depth if self._kind is Continuous else None}
        reason = None if len(bits) else self._absent or "No codes were given."
        values: Mapping[str, float | None] = dict.fromkeys(ALWAYS)
        if len(bits):
            values = means(bits, pixels)
        return [
            Measurement(f"{prefix}{name}", value, UNITS[name], False, len(bits), signature=signature, reason=reason)
            for name, value in values.items()
        ]


def means(bits: np.ndarray, pixels: int | np.ndarray) -> dict[str, float]:
    """The rates of images with ``bits`` float64 ``[N]`` and ``pixels``, one number or int64 ``[N]``, by name.

    ``bits-per-image`` and ``bits-per-pixel`` are means over images; ``total-bits-per-pixel``, all bits over all
    pixels, is there where images differ in size: otherwise it is the same number.
    """
    each = np.broadcast_to(np.asarray(pixels), bits.shape)
    mean = float(bits.mean())
    if len(np.unique(each)) == 1:
        return {"bits-per-image": mean, "bits-per-pixel": mean / int(each[0])}
    total = float(bits.sum() / each.sum())
    return {"bits-per-image": mean, "bits-per-pixel": float((bits / each).mean()), "total-bits-per-pixel": total}


def _why_no_rate(codes: Continuous, bit_depth: int | None) -> str | None:
    if codes.low is None or codes.high is None:
        return "The codes are continuous and unbounded: they have no rate."
    return None if bit_depth else "The codes are continuous; they have a rate only at a named bit depth."
