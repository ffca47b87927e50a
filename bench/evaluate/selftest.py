"""The adapter's contract on random images: what every tokenizer must hold, said check by check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.contract import Codes, Continuous, Indices, Tokenizer
from bench.core import codes as codes_of
from bench.core.failures import contained
from bench.errors import BenchError
from bench.evaluate import adapter, rate

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Check:
    """One law and whether it holds; ``problem`` is None when it does."""

    law: str
    problem: str | None


def selftest(tokenizer: Tokenizer, resolution: int, device: torch.device) -> Iterator[Check]:
    """Runs every check on four random images of ``resolution`` pixels."""
    import torch

    images = torch.randint(0, 256, (4, 3, resolution, resolution), generator=torch.Generator().manual_seed(0))
    images = images.to(torch.uint8).to(device)
    with torch.inference_mode():
        codes, problem = _attempt(lambda: adapter.encoded(tokenizer, images))
        yield Check("encode gives codes of one of the four kinds, one per image, within vocabulary and bounds", problem)
        if problem is not None:
            return
        decoded, problem = _attempt(lambda: _decoded(tokenizer, codes, images))
        yield Check("decode gives finite floats of the images' size", problem)
        if problem is not None:
            return
        checks: dict[str, Callable[[], str | None]] = {
            "decode gives float32 [N, 3, H, W] of the images' size": lambda: _shape(decoded, images),
            "decoded images are finite and within [0, 1]": lambda: _range(decoded),
            "encoding twice gives equal codes": lambda: _equal(codes, tokenizer.encode(images)),
            "an image's codes do not depend on its batch": lambda: _batch(tokenizer, images, codes),
            "decoding twice gives equal images": lambda: _same(decoded, tokenizer.decode(codes)),
            "codes survive being stored": lambda: _stored(tokenizer, codes, decoded, device),
            "the revision is a digest and does not change": lambda: _revision(tokenizer),
            "the rate of the codes can be counted or is stated as unbounded": lambda: _rate(codes),
        }
        for law, check in checks.items():
            found, raised = _attempt(check)
            yield Check(law, found if raised is None else raised)


def _attempt(work: Callable[[], Any]) -> tuple[Any, str | None]:
    """What the work gives, or what it raised, in words: an adapter may raise anything."""
    try:
        with contained():
            return work(), None
    except BenchError as error:
        return None, str(error)


def _decoded(tokenizer: Tokenizer, codes: Codes, images: torch.Tensor) -> torch.Tensor:
    decoded = tokenizer.decode(codes)
    adapter.check_decoded(decoded, images, range(len(images)), tokenizer)
    return decoded


def _shape(decoded: torch.Tensor, images: torch.Tensor) -> str | None:
    import torch

    if decoded.dtype != torch.float32:
        return f"decoded images are {decoded.dtype}"
    return None if decoded.shape == images.shape else f"shape {tuple(decoded.shape)} instead of {tuple(images.shape)}"


def _range(decoded: torch.Tensor) -> str | None:
    low, high = float(decoded.min()), float(decoded.max())
    return None if low >= 0 and high <= 1 else f"values {low:g}..{high:g}"


def _arrays_equal(one: Codes, other: Codes, tolerance: float) -> str | None:
    import numpy as np

    first, second = codes_of.to_arrays(one), codes_of.to_arrays(other)
    for name, values in first.items():
        others = second[name]
        if values.dtype.kind == "f":
            close = np.allclose(values, others, rtol=0, atol=tolerance, equal_nan=True)
        else:
            close = bool(np.all(values == others))
        if values.shape != others.shape or not close:
            return f"the codes' '{name}' differ"
    return None


def _equal(one: Codes, other: Codes) -> str | None:
    return _arrays_equal(one, other, 0.0)


def _batch(tokenizer: Tokenizer, images: torch.Tensor, codes: Codes) -> str | None:
    alone = codes_of.concat([tokenizer.encode(image[None]) for image in images])
    if isinstance(codes, Indices):
        # Nearest-neighbour search may flip at ties of the last float digit, so a rare difference is no defect.
        share = float((codes.tensor != alone.tensor).float().mean()) if isinstance(alone, Indices) else 1.0
        return None if share <= 0.01 else f"{100 * share:.1f} % of the indices differ when encoded alone"
    return _arrays_equal(codes, alone, 1e-4)


def _same(one: torch.Tensor, other: torch.Tensor) -> str | None:
    return None if bool((one == other).all()) else "the images differ although no noise was asked for"


def _stored(tokenizer: Tokenizer, codes: Codes, decoded: torch.Tensor, device: torch.device) -> str | None:
    restored = codes_of.to(codes_of.from_arrays(codes_of.to_arrays(codes)), device)
    return _same(decoded, tokenizer.decode(restored))


def _revision(tokenizer: Tokenizer) -> str | None:
    revision = tokenizer.revision
    if not isinstance(revision, str) or len(revision) < 12:
        return f"the revision is {revision!r}; use bench.core.digest.of_weights"
    return None if revision == tokenizer.revision else "the revision changed between two readings"


def _rate(codes: Codes) -> str | None:
    if isinstance(codes, Continuous) and (codes.low is None or codes.high is None):
        return None
    bits = rate.bits_per_image(codes, bit_depth=8 if isinstance(codes, Continuous) else None)
    return None if len(bits) == codes_of.count(codes) else "the bits do not match the images"
