"""KID and IS against torch-fidelity's functions and against their formulas written out."""

import numpy as np
import pytest
import torch

from bench.errors import UsageError
from bench.metrics.entries import MetricProtocol
from bench.metrics.feature_cache import Features
from bench.metrics.formulas.inception_score import inception_score
from bench.metrics.formulas.kid import kid

PROTOCOL = MetricProtocol("test", "test", {}, splits=10, shuffled=True, subsets=20, subset_size=50)


def features(seed, count=200, dimensions=64):
    random = np.random.RandomState(seed)
    return Features(f"set {seed}", np.abs(random.randn(count, dimensions)).astype(np.float32) * (1 + 0.1 * seed))


def test_kid_equals_its_formula_on_the_same_subsets():
    reference, candidate = features(1), features(2, 170)
    random = np.random.RandomState(2020)
    expected = []
    for _ in range(PROTOCOL.subsets):
        x = candidate.values[random.choice(170, 50, replace=False)].astype(np.float64)
        y = reference.values[random.choice(200, 50, replace=False)].astype(np.float64)
        total = 0.0
        for i in range(50):
            for j in range(50):
                if i != j:
                    total += (x[i] @ x[j] / 64 + 1) ** 3 / (50 * 49) + (y[i] @ y[j] / 64 + 1) ** 3 / (50 * 49)
                total -= 2 * (x[i] @ y[j] / 64 + 1) ** 3 / 50**2
        expected.append(total)
    found = kid(reference, candidate, PROTOCOL)
    assert found["value"] == pytest.approx(np.mean(expected), abs=1e-9)
    assert found["value-deviation"] == pytest.approx(np.std(expected), abs=1e-9)


def test_kid_equals_torch_fidelity():
    from torch_fidelity.metric_kid import kid_features_to_metric

    reference, candidate = features(1), features(2)
    theirs = kid_features_to_metric(
        torch.from_numpy(candidate.values), torch.from_numpy(reference.values),
        kid_subsets=20, kid_subset_size=50, verbose=False, rng_seed=2020,
    )  # fmt: skip
    found = kid(reference, candidate, PROTOCOL)
    assert found["value"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-3, abs=1e-6)
    assert found["value-deviation"] == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-3, abs=1e-6)


def test_kid_of_a_small_set_uses_it_whole():
    found = kid(features(1, 20), features(2, 30), PROTOCOL)
    assert np.isfinite(found["value"])
    assert "value-deviation" not in found
    assert "value-deviation" in kid(features(1, 51), features(2, 52), PROTOCOL)
    with pytest.raises(UsageError, match="at least two"):
        kid(features(1, 1), features(2, 30), PROTOCOL)


@pytest.mark.parametrize("shuffled", [True, False])
@pytest.mark.parametrize("count", [200, 203])
def test_inception_score_equals_torch_fidelity(count, shuffled):
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = Features("logits", np.random.RandomState(0).randn(count, 100).astype(np.float32) * 4)
    protocol = MetricProtocol("test", "test", {}, splits=10, shuffled=shuffled)
    theirs = isc_features_to_metric(torch.from_numpy(logits.values), 10, shuffled, 2020)
    found = inception_score(logits, logits, protocol)
    assert found["value"] == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    assert found["value-deviation"] == pytest.approx(theirs["inception_score_std"], rel=1e-7)


def test_inception_score_of_a_uniform_one_hot_set_is_the_number_of_classes():
    logits = np.tile(np.eye(10) * 1000, (10, 1)).astype(np.float32)
    protocol = MetricProtocol("test", "test", {}, splits=10, shuffled=False)
    assert inception_score(Features("l", logits), Features("l", logits), protocol)["value"] == pytest.approx(10)


def test_inception_score_in_parts_of_a_size_weighs_every_part_alike():
    """As ADM's evaluator takes it: in order, the last part shorter."""
    logits = np.random.RandomState(0).randn(23, 7).astype(np.float32) * 4
    protocol = MetricProtocol("test", "test", {}, splits=None, split_size=10, shuffled=False)
    parts = []
    for part in (logits[:10], logits[10:20], logits[20:]):
        shares = np.exp(part.astype(np.float64))
        shares /= shares.sum(axis=1, keepdims=True)
        divergence = (shares * (np.log(shares) - np.log(shares.mean(axis=0)))).sum(axis=1).mean()
        parts.append(np.exp(divergence))
    found = inception_score(Features("l", logits), Features("l", logits), protocol)
    assert found["value"] == pytest.approx(np.mean(parts), rel=1e-12)
    assert found["value-deviation"] == pytest.approx(np.std(parts), rel=1e-9)
    one = Features("l", logits[:10])
    assert inception_score(one, one, protocol) == {"value": pytest.approx(parts[0], rel=1e-12)}


def test_fewer_images_than_splits_is_said():
    with pytest.raises(UsageError, match="10 splits"):
        inception_score(features(1), features(2, 9), PROTOCOL)
