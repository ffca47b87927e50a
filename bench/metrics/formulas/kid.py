"""Kernel Inception Distance (Binkowski et al. 2018), in float64."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.errors import UsageError
from bench.metrics.entries import MetricEntry, MetricProtocol
from bench.metrics.feature_cache import Features
from bench.results.record import Tolerance

SEED = 2020
"""Of the subsets, as torch-fidelity draws them: NumPy's RandomState, candidate before reference."""


def kid(reference: Features, candidate: Features, protocol: MetricProtocol) -> Mapping[str, float]:
    """``{"value", "value-deviation"}``: mean and deviation of the squared MMD over random subsets without replacement.

    A set smaller than ``protocol.subset_size`` makes all subsets that small. Where a subset is a whole set there is no
    deviation: what is left of it does not say how sure the number is.
    """
    size = min(protocol.subset_size, len(reference.vectors), len(candidate.vectors))
    if size < 2:
        raise UsageError(f"KID needs at least two images in each set; there are {reference.count}, {candidate.count}.")
    random = np.random.RandomState(SEED)
    distances = []
    for _ in range(protocol.subsets):
        one = _subset(candidate, size, random)
        other = _subset(reference, size, random)
        distances.append(squared_mmd(one, other))
    value = {"value": float(np.mean(distances))}
    if size == min(len(reference.vectors), len(candidate.vectors)):
        return value
    return {**value, "value-deviation": float(np.std(distances))}


def _subset(features: Features, size: int, random: np.random.RandomState) -> np.ndarray:
    rows = random.choice(features.count, size, replace=False)
    return np.asarray(features.vectors[rows], dtype=np.float64)


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased estimate (eq. 4) with the kernel ``(x . y / D + 1)^3``; float64 ``[m, D]`` each."""
    size = len(x)
    within = (_kernel_sum(x) + _kernel_sum(y)) / (size * (size - 1))
    return float(within - 2 * _kernel(x, y).sum() / size**2)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    kernel: np.ndarray = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel


def _kernel_sum(x: np.ndarray) -> float:
    """Over all pairs of different elements."""
    kernel = _kernel(x, x)
    return float(kernel.sum() - np.trace(kernel))


ROWS = (
    MetricEntry(
        name="kid",
        title="KID",
        kind="set",
        higher_is_better=False,
        unit="",
        significant=3,
        place=50,
        function=kid,
        tolerance=Tolerance(0.0002, 0.02),
        features="kid",
        settings=("subsets", "subset_size"),
        convention={"kernel": "(x.y/D + 1)^3, unbiased", "seed": SEED},
    ),
)
