"""What can be done with codes of every kind: store, load, select, join, move, count and check them.

The functions know the four types of :data:`bench.contract.Codes` and nothing of any method. The first axis is always
the image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from bench.contract import Codes, Continuous, Indices, Sparse, Stream
from bench.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

KINDS = {Continuous: "continuous", Indices: "indices", Sparse: "sparse", Stream: "stream"}


def count(codes: Codes) -> int:
    """The number of images."""
    if isinstance(codes, Sparse):
        return len(codes.triples)
    if isinstance(codes, Stream):
        return len(codes.data)
    return len(codes.tensor)


def shape(codes: Codes) -> list[int] | None:
    """The shape of one image's codes; None for lists and bitstreams, whose length differs from image to image.

    The axis of a cell's symbols is left out where there is one symbol: a grid of VQ codes is 32x32, as papers say it.
    """
    if isinstance(codes, Indices):
        axes = codes.tensor.shape[1:]
        return list(axes[:-1] if len(codes.levels) == 1 else axes)
    return list(codes.tensor.shape[1:]) if isinstance(codes, Continuous) else None


def grid(codes: Codes) -> list[int] | None:
    """Height and width of the grid of codes, or None where they form none."""
    if isinstance(codes, Continuous) and codes.tensor.dim() == 4:
        return list(codes.tensor.shape[2:])
    if isinstance(codes, Indices) and codes.tensor.dim() == 4:
        return list(codes.tensor.shape[1:3])
    return None


def places(codes: Indices) -> int:
    """The number of cells of an image, each with one symbol per level.

    Raises :class:`UsageError` where the last axis is not that of the levels: whatever is counted would be wrong.
    """
    shape = tuple(codes.tensor.shape)
    if not codes.levels or len(shape) < 3 or shape[-1] != len(codes.levels):
        raise UsageError(
            f"Index codes with the levels {codes.levels} have the shape {shape}; their last axis must hold the "
            "symbols of a cell, one per level: [N, h, w, len(levels)] or [N, length, len(levels)]."
        )
    return math.prod(shape[1:-1])


def to(codes: Codes, device: torch.device | str) -> Codes:
    """The same codes on ``device``; bitstreams have none and come back as they are."""
    if isinstance(codes, Stream):
        return codes
    if isinstance(codes, Sparse):
        return replace(codes, triples=tuple(t.to(device) for t in codes.triples))
    return replace(codes, tensor=codes.tensor.to(device))


def take(codes: Codes, indices: Sequence[int] | np.ndarray | Tensor) -> Codes:
    """The codes of the images numbered ``indices`` (each in ``[0, count)``), in that order, repetitions included."""
    import torch

    order = [int(i) for i in indices]
    for i in order:
        if not 0 <= i < count(codes):
            raise UsageError(f"There is no image {i} in codes of {count(codes)} images.")
    if isinstance(codes, Stream):
        headers = tuple(codes.header_bits[i] for i in order)
        return replace(codes, data=tuple(codes.data[i] for i in order), header_bits=headers)
    if isinstance(codes, Sparse):
        return replace(codes, triples=tuple(codes.triples[i] for i in order))
    return replace(codes, tensor=codes.tensor[torch.tensor(order, dtype=torch.long, device=codes.tensor.device)])


def concat(parts: Sequence[Codes]) -> Codes:
    """Joins codes along the image axis; all must be of one kind with the same levels, bounds and size."""
    import torch

    if not parts:
        raise UsageError("Codes of no images cannot be joined; give at least one part.")
    first = parts[0]
    for part in parts[1:]:
        if type(part) is not type(first) or _meaning(part) != _meaning(first):
            raise UsageError(f"Codes of different meaning cannot be joined: {_meaning(first)} and {_meaning(part)}.")
    if isinstance(first, Stream):
        streams = [p for p in parts if isinstance(p, Stream)]
        data = tuple(d for p in streams for d in p.data)
        return replace(first, data=data, header_bits=tuple(b for p in streams for b in p.header_bits))
    if isinstance(first, Sparse):
        return replace(first, triples=tuple(t for p in parts if isinstance(p, Sparse) for t in p.triples))
    tensors = [p.tensor for p in parts if isinstance(p, (Continuous, Indices))]
    return replace(first, tensor=torch.cat(tensors))


def _meaning(codes: Codes) -> tuple[object, ...]:
    """Everything but the values: what two codes must share to be put side by side."""
    if isinstance(codes, Continuous):
        return ("continuous", tuple(codes.tensor.shape[1:]), codes.low, codes.high)
    if isinstance(codes, Indices):
        return ("indices", tuple(codes.tensor.shape[1:]), codes.levels, codes.pooled)
    if isinstance(codes, Sparse):
        return ("sparse", codes.shape, codes.size)
    return ("stream", codes.size)


def to_arrays(codes: Codes) -> dict[str, np.ndarray]:
    """Codes as plain arrays that ``numpy.savez`` stores without pickling; :func:`from_arrays` is the inverse.

    ``kind`` names the type. Unbounded continuous codes have NaN as ``low`` or ``high``. bfloat16, which NumPy lacks,
    is widened to float32. Lists of different length are stored end to end with their ``lengths``.
    """
    import numpy as np
    import torch

    kind = np.array(KINDS[type(codes)])
    if isinstance(codes, Continuous):
        tensor = codes.tensor.detach().cpu()
        tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        bounds = [math.nan if b is None else b for b in (codes.low, codes.high)]
        return {"kind": kind, "tensor": tensor.numpy(), "bounds": np.array(bounds)}
    if isinstance(codes, Indices):
        levels, pooled = np.array(codes.levels, np.int64), np.array(codes.pooled)
        return {"kind": kind, "tensor": codes.tensor.detach().cpu().numpy(), "levels": levels, "pooled": pooled}
    if isinstance(codes, Sparse):
        triples = [t.detach().cpu().numpy() for t in codes.triples]
        lengths = np.array([len(t) for t in triples], np.int64)
        joined = np.concatenate([np.empty((0, 3), np.int64), *triples])
        shape, size = np.array(codes.shape), np.array(codes.size)
        return {"kind": kind, "triples": joined, "lengths": lengths, "shape": shape, "size": size}
    lengths = np.array([len(d) for d in codes.data], np.int64)
    data = np.frombuffer(b"".join(codes.data), np.uint8)
    headers, size, library = np.array(codes.header_bits, np.int64), np.array(codes.size), np.array(codes.library)
    return {"kind": kind, "data": data, "lengths": lengths, "header_bits": headers, "size": size, "library": library}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Codes:
    """The codes that :func:`to_arrays` stored. Raises :class:`IntegrityError` for arrays that it did not write."""
    try:
        return _from_arrays(arrays)
    except (KeyError, ValueError, TypeError) as error:
        raise IntegrityError(f"These arrays do not hold codes ({error!r}); delete their file and run again.") from error


def _from_arrays(arrays: Mapping[str, np.ndarray]) -> Codes:
    import torch

    kind = str(arrays["kind"])
    if kind == "continuous":
        low, high = (None if math.isnan(b) else b for b in arrays["bounds"].tolist())
        return Continuous(torch.from_numpy(arrays["tensor"].copy()), low, high)
    if kind == "indices":
        return Indices(
            torch.from_numpy(arrays["tensor"].copy()), tuple(arrays["levels"].tolist()), bool(arrays["pooled"])
        )
    if kind == "sparse":
        joined = torch.from_numpy(arrays["triples"].copy())
        triples = torch.split(joined, arrays["lengths"].tolist())
        channels, positions, values = arrays["shape"].tolist()
        return Sparse(tuple(triples), (channels, positions, values), _pair(arrays["size"]))
    if kind == "stream":
        ends = list(accumulate(arrays["lengths"].tolist(), initial=0))
        data = arrays["data"].tobytes()
        pieces = tuple(data[a:b] for a, b in pairwise(ends))
        headers, library = tuple(arrays["header_bits"].tolist()), str(arrays.get("library", ""))
        return Stream(pieces, headers, _pair(arrays["size"]), library)
    raise ValueError(f"unknown kind {kind}")


def _pair(array: np.ndarray) -> tuple[int, int]:
    height, width = array.tolist()
    return height, width


def checked(codes: Codes, origin: str) -> Codes:
    """The codes themselves, after making sure that every value is one the decoder can take.

    Raises :class:`UsageError` naming ``origin`` for NaN or infinity, for a value outside the bounds, for an index
    outside its levels or vocabulary and for indices whose last axis is not that of the levels.
    """
    if isinstance(codes, Continuous):
        _check_continuous(codes, origin)
    if isinstance(codes, Indices):
        places(codes)
        for symbol, level in enumerate(codes.levels):
            which = f" as symbol {symbol} of a cell" if len(codes.levels) > 1 else ""
            _check_range(codes.tensor[..., symbol], level, f"The indices of {origin}{which}")
    if isinstance(codes, Sparse):
        for triples in codes.triples:
            for column, vocab in enumerate(codes.shape):
                _check_range(triples[:, column], vocab, f"Column {column} of the triples of {origin}")
    return codes


def _check_continuous(codes: Continuous, origin: str) -> None:
    if not bool(codes.tensor.isfinite().all()):
        bad = int((~codes.tensor.isfinite()).flatten(1).any(1).nonzero()[0])
        raise UsageError(f"The codes of {origin} hold NaN or infinity, first in image {bad}; train the model again.")
    below = codes.low is not None and bool((codes.tensor < codes.low).any())
    above = codes.high is not None and bool((codes.tensor > codes.high).any())
    if below or above:
        raise UsageError(f"The codes of {origin} leave their bounds [{codes.low}, {codes.high}].")


def _check_range(tensor: Tensor, vocab: int, subject: str) -> None:
    if tensor.numel() and (int(tensor.min()) < 0 or int(tensor.max()) >= vocab):
        raise UsageError(f"{subject} span {int(tensor.min())}..{int(tensor.max())}, outside 0..{vocab - 1}.")
