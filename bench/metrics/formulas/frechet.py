"""The Fréchet distance between two Gaussians (Dowson and Landau 1982; Heusel et al. 2017, eq. 6), in float64."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.core.seeding import derive
from bench.errors import UsageError
from bench.metrics.entries import MetricEntry, MetricProtocol
from bench.metrics.feature_cache import Features, Moments
from bench.results.record import Tolerance

POINTS = 15
FEWEST = 100
"""Candidates in the smallest subset, at least; the paper draws 5,000 to 50,000."""


def frechet(reference: Features, candidate: Features, protocol: MetricProtocol) -> Mapping[str, float]:
    """``{"value": d}``; see :func:`frechet_distance`."""
    return {"value": frechet_distance(reference, candidate)}


def frechet_distance(one: Features, other: Features) -> float:
    """``|m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2))``, at least 0; covariances divided by N - 1.

    The last trace is taken from symmetric eigenvalues, or, where a set has fewer images than dimensions, from
    singular values of its centred features: never from a matrix square root of the non-symmetric product.
    """
    a, b = one.moments, other.moments
    spread = float(np.trace(a.covariance) + np.trace(b.covariance))
    shift = float(np.sum((a.mean - b.mean) ** 2))
    return max(shift + spread - 2 * _root_trace(one, other), 0.0)


def _root_trace(one: Features, other: Features) -> float:
    small_one, small_other = _factor(one), _factor(other)
    if small_one is not None and small_other is not None:
        return float(np.linalg.svd(small_one @ small_other.T, compute_uv=False).sum())
    if small_one is not None:
        return _root_sum(small_one @ other.moments.covariance @ small_one.T)
    if small_other is not None:
        return _root_sum(small_other @ one.moments.covariance @ small_other.T)
    return covariance_root_trace(one.moments, other.moments)


def _factor(features: Features) -> np.ndarray | None:
    """Float64 ``F [N, D]`` with ``F^T F`` the covariance, when that is smaller than the covariance itself."""
    if features.values is None or features.count > features.dimensions:
        return None
    centred = np.asarray(features.values, dtype=np.float64) - features.moments.mean
    factor: np.ndarray = centred / np.sqrt(features.count - 1)
    return factor


def covariance_root_trace(one: Moments, other: Moments) -> float:
    """``tr((C1 C2)^(1/2))``, the sum of the roots of the eigenvalues of ``C1 C2``.

    They are those of the symmetric ``L^T C1 L`` with ``C2 = L L^T``: LAPACK's generalised problem of type 2, which
    takes a Cholesky factor; where ``C2`` is singular, a factor from its eigenvectors.
    """
    import scipy.linalg

    try:
        values = scipy.linalg.eigh(
            one.covariance, other.covariance, type=2, driver="gv", eigvals_only=True, check_finite=False
        )
    except np.linalg.LinAlgError:
        squares, vectors = scipy.linalg.eigh(other.covariance)
        root = vectors * np.sqrt(np.clip(squares, 0, None))
        return _root_sum(root.T @ one.covariance @ root)
    return float(np.sqrt(np.clip(values, 0, None)).sum())


def _root_sum(symmetric: np.ndarray) -> float:
    import scipy.linalg

    values = scipy.linalg.eigvalsh((symmetric + symmetric.T) / 2, check_finite=False)
    return float(np.sqrt(np.clip(values, 0, None)).sum())


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


def _row(name: str, title: str, features: str, place: int = 40, decimals: int | None = 2) -> MetricEntry:
    return MetricEntry(
        name=name,
        title=title,
        kind="set",
        higher_is_better=False,
        unit="",
        decimals=decimals,
        place=place,
        function=frechet,
        tolerance=Tolerance(0.05, 0.01),
        features=features,
        convention={"covariance": "divided by N - 1", "statistics": "float64"},
    )


ROWS = (
    _row("fid", "FID", "fid"),
    _row("sfid", "sFID", "sfid"),
    _row("clip-fid", "CLIP-FID", "clip.image"),
    _row("fd-dinov2", "FD-DINOv2 (L/14)", "dinov2-l.cls", decimals=None),
    _row("fd-dinov2-s", "FD-DINOv2 (S/14)", "dinov2-s.cls", decimals=None),
    MetricEntry(
        name="fid-infinity",
        title="FID-infinity",
        kind="set",
        higher_is_better=False,
        unit="",
        decimals=2,
        place=40,
        function=frechet_infinity,
        tolerance=Tolerance(0.1, 0.02),
        features="fid",
        convention={"covariance": "divided by N - 1", "points": POINTS, "sizes": "N/10 to N"},
    ),
    _row("fd-r64", "FD-R64", "r64.fc2", place=80, decimals=None),
)
