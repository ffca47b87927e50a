"""The Fréchet distance against scipy's matrix square root, torch-fidelity's and clean-fid's formulas."""

import numpy as np
import pytest
import scipy.linalg
import torch

from bench.errors import UsageError
from bench.metrics.entries import MetricProtocol
from bench.metrics.feature_cache import Features, Moments, moments
from bench.metrics.formulas.frechet import frechet_distance, frechet_infinity

PROTOCOL = MetricProtocol("test", "test", {})


def cloud(seed, count, dimensions, scale=1.0, shift=0.0):
    random = np.random.RandomState(seed)
    mixing = np.random.RandomState(99).randn(dimensions, dimensions) / np.sqrt(dimensions)
    return Features(f"set {seed}", (random.randn(count, dimensions) @ mixing * scale + shift).astype(np.float32))


def by_sqrtm(one, other):
    a, b = one.values.astype(np.float64), other.values.astype(np.float64)
    c, d = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(c @ d)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c) + np.trace(d) - 2 * np.trace(root).real


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.1), (0.5, 0.7), (10.0, 1.0)])
def test_equals_the_matrix_square_root(shift, scale):
    one, other = cloud(1, 400, 64), cloud(2, 300, 64, scale, shift)
    assert frechet_distance(one, other) == pytest.approx(by_sqrtm(one, other), rel=1e-6)


def test_equals_torch_fidelity_on_features():
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    one, other = cloud(1, 500, 128), cloud(2, 700, 128, 0.8, 0.1)
    statistics = [
        {k: v.astype(np.float64) for k, v in fid_features_to_statistics(torch.tensor(f.values).double()).items()}
        for f in (one, other)
    ]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(one, other) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(("first", "second"), [(40, 50), (40, 300), (300, 40)])
def test_fewer_images_than_dimensions_by_singular_values(first, second):
    """Compared with eigenvalues of the whole product in float64, whose noise is what limits the agreement."""
    one, other = cloud(1, first, 128), cloud(2, second, 128, 0.8, 0.3)
    c, d = (np.cov(f.values.astype(np.float64), rowvar=False) for f in (one, other))
    values, vectors = np.linalg.eigh(c)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    trace = np.sqrt(np.linalg.eigvalsh(root @ d @ root).clip(0)).sum()
    shift = ((one.moments.mean - other.moments.mean) ** 2).sum()
    assert frechet_distance(one, other) == pytest.approx(shift + np.trace(c) + np.trace(d) - 2 * trace, rel=1e-5)


@pytest.mark.parametrize("count", [10, 1000])
def test_distance_to_itself_is_nothing(count):
    one = cloud(1, count, 256, shift=3.0)
    assert frechet_distance(one, one) <= 1e-6
    assert frechet_distance(one, Features("shuffled", one.values[::-1].copy())) <= 1e-6


def test_singular_covariances_are_handled():
    """A constant dimension makes Cholesky fail."""
    one, other = cloud(1, 300, 16), cloud(2, 300, 16, 1.2)
    for features in (one, other):
        features.values[:, 3] = 1.0
    assert frechet_distance(one, other) == pytest.approx(by_sqrtm(one, other), rel=1e-5)


def test_moments_only_equal_moments_of_values():
    one, other = cloud(1, 300, 32), cloud(2, 300, 32, 0.9, 0.2)
    bare = Features("a file", None, Moments(one.moments.mean, one.moments.covariance, 300))
    assert frechet_distance(bare, other) == pytest.approx(frechet_distance(one, other), rel=1e-12)


def test_moments_are_streamed_in_double_precision(monkeypatch):
    """Mean 1000 and deviation 1e-2 in float32 features; blocks of any size give NumPy's float64 covariance."""
    values = (np.random.RandomState(0).randn(1000, 8) * 0.01 + 1000).astype(np.float32)
    expected = np.cov(values.astype(np.float64), rowvar=False)
    for rows in (7, 4096):
        monkeypatch.setattr("bench.metrics.feature_cache.ROWS", rows)
        np.testing.assert_allclose(moments(values).covariance, expected, rtol=1e-9, atol=1e-18)


def test_covariance_is_divided_by_count_minus_one():
    values = np.array([[0.0], [2.0]], dtype=np.float32)
    assert moments(values).covariance[0, 0] == 2.0


def test_one_image_has_no_covariance():
    with pytest.raises(UsageError, match="at least two"):
        frechet_distance(cloud(1, 1, 4), cloud(2, 9, 4))


def test_infinity_recovers_the_distance_of_the_distributions():
    """Two Gaussians at a known distance: at finite N the estimate is biased upwards, the extrapolation less so."""
    random = np.random.RandomState(0)
    one = Features("one", random.randn(60_000, 16).astype(np.float32))
    other = Features("other", (random.randn(1000, 16) + 0.1).astype(np.float32))
    true = 16 * 0.1**2
    found = frechet_infinity(one, other, PROTOCOL)["value"]
    assert abs(found - true) < 0.5 * abs(frechet_distance(one, other) - true)
