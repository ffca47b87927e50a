"""Precision and recall by distances in half precision, as ADM's evaluator takes them (Dhariwal and Nichol 2021).

Features are rounded to float16, and so is every step of ``|u|^2 - 2 u.v + |v|^2``, at least 0; sums are held in
float32, as matrix units do it. At the lengths of Inception's features a float16 distance has steps of a quarter to a
half, which decides about many pairs. A block of 10,000 by 10,000 images in which a distance is not finite is taken in
float32. The nearest neighbour of an image counts the image itself, at whatever distance the rounding leaves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 10_000
"""Images along each side of a block, which decides where float32 takes over."""


def precision_recall(reference: np.ndarray, candidate: np.ndarray, k: int) -> Mapping[str, float]:
    """``{"precision", "recall"}`` of float32 features ``[N, D]`` and ``[M, D]``; more than ``k`` images each."""
    import torch

    real_radii, fake_radii = _radii(reference, k), _radii(candidate, k)
    recalled = torch.zeros(len(reference), dtype=torch.bool)
    precise = torch.zeros(len(candidate), dtype=torch.bool)
    for rows in _blocks(len(reference)):
        for columns in _blocks(len(candidate)):
            distances = squared_distances(reference[rows], candidate[columns])
            recalled[rows] |= (distances <= fake_radii[None, columns]).any(dim=1)
            precise[columns] |= (distances <= real_radii[rows, None]).any(dim=0)
    return {"precision": float(precise.double().mean()), "recall": float(recalled.double().mean())}


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


def _radii(features: np.ndarray, k: int) -> Tensor:
    """Float32 ``[N]``: the squared distance to the k-th nearest of the same set, the image itself being the 0-th."""
    import torch

    found = []
    for rows in _blocks(len(features)):
        nearest = torch.full((rows.stop - rows.start, k + 1), torch.inf)
        for columns in _blocks(len(features)):
            distances = squared_distances(features[rows], features[columns])
            nearest = torch.cat((nearest, distances), dim=1).topk(k + 1, dim=1, largest=False).values
        found.append(nearest.max(dim=1).values)
    return torch.cat(found)


def squared_distances(one: np.ndarray, other: np.ndarray) -> Tensor:
    """Float32 ``[N, M]`` of float32 ``[N, D]`` and ``[M, D]``: rounded to float16 unless one of them overflows it."""
    import torch

    u, v = (torch.from_numpy(np.array(values, dtype=np.float32)) for values in (one, other))
    rounded = _rounded(u, v)
    if bool(rounded.isfinite().all()):
        return rounded.float()
    products = u @ v.T
    return (u.square().sum(dim=1)[:, None] - 2 * products + v.square().sum(dim=1)[None]).clamp_(min=0)


def _rounded(u: Tensor, v: Tensor) -> Tensor:
    """Float16 ``[N, M]``."""
    u, v = u.half().float(), v.half().float()
    lengths = [values.square().half().float().sum(dim=1).half() for values in (u, v)]
    products = (u @ v.T).half()
    return (lengths[0][:, None] - 2 * products + lengths[1][None]).clamp_(min=0)
