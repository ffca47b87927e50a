"""FID-infinity (Chong and Forsyth 2020): the Fréchet distance extrapolated to infinitely many candidates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.contract import UsageError
from bench.entries import MetricProtocol
from bench.metrics.frechet import frechet_distance
from bench.seeding import derive
from bench.vectors import Features

POINTS = 15
FEWEST = 100
"""Candidates in the smallest subset, at least; the paper draws 5,000 to 50,000."""


def frechet_infinity(reference: Features, candidate: Features, protocol: MetricProtocol) -> Mapping[str, float]:
    """``{"value"}``: the intercept of the line through (1/N, distance) at 15 subset sizes from N/10 to N.

    Subsets of the candidate are drawn without replacement from seeds of their own; the reference is used whole. An
    extrapolated value may be negative and is not clipped.
    """
    count = candidate.count
    if count < 2 * FEWEST:
        raise UsageError(f"{candidate.name} holds {count} images; FID-infinity needs at least {2 * FEWEST}.")
    sizes = np.linspace(max(count // 10, FEWEST), count, POINTS).astype(int)
    distances = [frechet_distance(reference, _subset(candidate, int(size))) for size in sizes]
    slope, intercept = np.polyfit(1 / sizes, distances, 1)
    return {"value": float(intercept), "slope": float(slope)}


def _subset(features: Features, size: int) -> Features:
    random = np.random.RandomState(derive("fid-infinity", size) % 2**32)
    rows = np.sort(random.choice(features.count, size, replace=False))
    return Features(features.name, features.vectors[rows])
