"""What a tokenizer returns, looked at before anything is computed from it: an adapter's mistake is said as such."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.contract import Codes, Condition, Continuous, Encoder, Indices, Prior, Seeds, Sparse, Stream, Tokenizer
from bench.core import codes as codes_of
from bench.errors import AdapterError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def encoded(tokenizer: Encoder, images: Tensor) -> Codes:
    """The codes of uint8 ``[N, 3, H, W]``: of one of the four kinds, one per image, within vocabulary and bounds.

    Raises :class:`AdapterError` that names the adapter's file and line for anything else.
    """
    who, codes = f"encode ({place(tokenizer, 'encode')})", tokenizer.encode(images)
    _check_kind(codes, len(images), "images", who)
    _check_values(codes, who)
    return codes


def sampled(prior: Prior, seeds: Seeds, condition: Condition | None) -> Codes:
    """The codes that a prior draws: of one of the four kinds, one per seed, symbols within their vocabulary.

    Continuous values may leave their bounds, as a diffusion's do. Raises :class:`AdapterError` for anything else.
    """
    who, codes = f"sample ({place(prior, 'sample')})", prior.sample(seeds, condition)
    _check_kind(codes, len(seeds), "seeds", who)
    if not isinstance(codes, Continuous):
        _check_values(codes, who)
    return codes


def _check_kind(codes: Any, count: int, of: str, who: str) -> None:
    problem = problem_of(codes, count, of)
    if problem is not None:
        raise AdapterError(f"{who} {problem}.")


def _check_values(codes: Codes, who: str) -> None:
    try:
        codes_of.checked(codes, who)
    except UsageError as error:
        raise AdapterError(str(error) if who in str(error) else f"{who}: {error}") from error


def problem_of(codes: Any, count: int, of: str = "images") -> str | None:
    """What is wrong with the type of codes, their number or the type of their fields; None where nothing is."""
    import torch

    if not isinstance(codes, Continuous | Indices | Sparse | Stream):
        return f"returned {type(codes).__name__} and not Continuous, Indices, Sparse or Stream"
    if isinstance(codes, Continuous | Indices) and not isinstance(codes.tensor, torch.Tensor):
        return f"returned {type(codes).__name__} of a {type(codes.tensor).__name__} and not of a tensor"
    wrong = _field_that_is_wrong(codes)
    if wrong is not None:
        return f"returned {type(codes).__name__} {wrong}"
    found = codes_of.count(codes)
    return None if found == count else f"returned {found} codes for {count} {of}"


def _field_that_is_wrong(codes: Codes) -> str | None:
    """The first field that is not what :mod:`bench.contract.codes` says, in words."""
    if isinstance(codes, Continuous):
        if not codes.tensor.is_floating_point():
            return f"of {codes.tensor.dtype}; they are floats"
        numbers = all(bound is None or isinstance(bound, int | float) for bound in (codes.low, codes.high))
        return None if numbers else f"with the bounds {codes.low!r} and {codes.high!r}; they are numbers or None"
    if isinstance(codes, Indices):
        if not _whole(codes.tensor):
            return f"of {codes.tensor.dtype}; they are integers"
        return None if _integers(codes.levels) else f"with the levels {codes.levels!r}; they are a tuple of integers"
    if isinstance(codes, Sparse):
        fit = isinstance(codes.triples, tuple | list) and all(_whole(t) and t.shape[1:] == (3,) for t in codes.triples)
        return (
            None if fit and _integers(codes.shape) else "whose triples are no integers [M, 3] within a shape of three"
        )
    fit = isinstance(codes.data, tuple | list) and all(isinstance(piece, bytes) for piece in codes.data)
    same = fit and _integers(codes.header_bits) and len(codes.header_bits) == len(codes.data)
    return None if same else "whose data are no bytes, one for each image, with as many header_bits"


def _whole(tensor: Any) -> bool:
    import torch

    return isinstance(tensor, torch.Tensor) and not tensor.is_floating_point() and tensor.dtype != torch.bool


def _integers(values: Any) -> bool:
    return isinstance(values, tuple | list) and all(isinstance(value, int) for value in values)


def check_decoded(decoded: Any, pixels: torch.Tensor, places: Sequence[int], tokenizer: Tokenizer) -> None:
    """Raises :class:`AdapterError` when decoded images are no floats, not finite or not of the size of the originals.

    ``places`` are the numbers of the images in their set.
    """
    import torch

    who = check_floats(decoded, tokenizer)
    if decoded.shape != pixels.shape:
        raise AdapterError(
            f"{who} gave images of shape {tuple(decoded.shape)} from {tuple(pixels.shape)}; "
            "choose a size that its grid divides."
        )
    if not bool(torch.isfinite(decoded).all()):
        raise AdapterError(f"{who} gave NaN or infinite values among images {min(places)} to {max(places)}.")


def check_floats(decoded: Any, tokenizer: Tokenizer) -> str:
    """Raises :class:`AdapterError` for what is no tensor of floats ``[N, 3, H, W]``; gives the name of who decoded."""
    import torch

    who = f"decode ({place(tokenizer, 'decode')})"
    if not isinstance(decoded, torch.Tensor) or not decoded.is_floating_point():
        kind = decoded.dtype if isinstance(decoded, torch.Tensor) else type(decoded).__name__
        raise AdapterError(f"{who} returned {kind} and not a tensor of floats in [0, 1].")
    if decoded.ndim != 4 or decoded.shape[1] != 3:
        raise AdapterError(f"{who} gave a tensor of shape {tuple(decoded.shape)} and not [N, 3, H, W].")
    return who


def check_revision(tokenizer: Tokenizer) -> None:
    """Raises :class:`AdapterError` for a revision that names nothing."""
    revision: Any = tokenizer.revision
    if not isinstance(revision, str) or not revision:
        where = place(tokenizer, "revision")
        raise AdapterError(f"revision ({where}) is {revision!r}; it is the digest of the weights, as of_weights gives.")


def place(tokenizer: Any, name: str) -> str:
    """``file:line`` of a method or property of the adapter's class."""
    member = inspect.getattr_static(type(tokenizer), name, type(tokenizer))
    for thing in (getattr(member, "fget", None) or member, type(tokenizer)):
        try:
            return f"{inspect.getsourcefile(thing)}:{inspect.getsourcelines(thing)[1]}"
        except (OSError, TypeError):
            continue
    return type(tokenizer).__qualname__
