"""Precision, recall, density, coverage against float64 brute force and torch-fidelity."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from bench.errors import UsageError
from bench.metrics.entries import MetricProtocol
from bench.metrics.feature_cache import Features
from bench.metrics.formulas import prdc as module
from bench.metrics.formulas.prdc import density_coverage, precision_recall
from bench.metrics.half_distances import squared_distances
from bench.metrics.protocols import PROTOCOLS


def protocol(k):
    return MetricProtocol("test", "test", {}, neighbours=k)


def measured(real, fake, k=3):
    sets = Features("the reference", real), Features("the candidate", fake)
    return {**precision_recall(*sets, protocol(k)), **density_coverage(*sets, protocol(k))}


def brute_force(real, fake, k):
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    real_radii = np.sort(cdist(real, real), axis=1)[:, k]
    fake_radii = np.sort(cdist(fake, fake), axis=1)[:, k]
    across = cdist(fake, real)
    inside = across <= real_radii
    within = across <= np.sort(cdist(real, real), axis=1)[:, 5]
    return {
        "precision": inside.any(axis=1).mean(),
        "recall": (across <= fake_radii[:, None]).any(axis=0).mean(),
        "density": within.sum() / (5 * len(fake)),
        "coverage": within.any(axis=0).mean(),
    }


def clouds(seed, real, fake, dimensions, scale=1.0, mean=0.0, spread=0.9):
    random = np.random.RandomState(seed)
    a = random.randn(real, dimensions) * scale + mean
    b = random.randn(fake, dimensions) * spread * scale + mean
    return a.astype(np.float32), b.astype(np.float32)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("dimensions", [2, 64, 2048])
def test_equals_brute_force(dimensions, k):
    real, fake = clouds(k, 300, 270, dimensions)
    assert measured(real, fake, k) == brute_force(real, fake, k)


@pytest.mark.parametrize(("mean", "scale"), [(1.0, 1e-3), (100.0, 1e-2)])
def test_ill_conditioned_features_equal_brute_force(mean, scale):
    real, fake = clouds(0, 400, 350, 64, scale, mean)
    assert measured(real, fake) == brute_force(real, fake, 3)


def test_torch_fidelity_agrees_on_well_conditioned_features_and_fails_on_others():
    from torch_fidelity.metric_prc import calculate_precision_recall_part

    def theirs(real, fake):
        precision, recall = calculate_precision_recall_part(torch.from_numpy(fake), torch.from_numpy(real))
        return {"precision": pytest.approx(precision, abs=1e-7), "recall": pytest.approx(recall, abs=1e-7)}

    def ours(real, fake):
        found = measured(real, fake)
        return {name: found[name] for name in ("precision", "recall")}

    real, fake = clouds(1, 500, 500, 64)
    assert ours(real, fake) == theirs(real, fake)
    real, fake = clouds(1, 500, 500, 64, scale=1e-3, mean=1.0)
    assert ours(real, fake) != theirs(real, fake)


def test_one_far_outlier_does_not_spoil_the_rest():
    """It makes the float32 error bound wider than all other distances, so everything is decided in float64."""
    real, fake = clouds(2, 200, 200, 16)
    real[0] += 1e6
    assert measured(real, fake) == brute_force(real, fake, 3)


def test_duplicates_have_balls_of_radius_zero_that_hold_themselves():
    real, fake = clouds(3, 60, 60, 8)
    real[10:20] = real[10]
    fake[:5] = real[10]
    assert measured(real, fake) == brute_force(real, fake, 3)


def test_many_blocks_give_what_one_block_gives(monkeypatch):
    real, fake = clouds(4, 203, 187, 32)
    whole = measured(real, fake)
    monkeypatch.setattr(module, "BLOCK", 17)
    monkeypatch.setattr(module, "PAIRS", 13)
    assert measured(real, fake) == whole


def test_order_does_not_matter():
    real, fake = clouds(5, 200, 180, 32)
    assert measured(real[::-1].copy(), fake[::-1].copy()) == measured(real, fake)


def test_known_gaussians():
    """Equal distributions: precision equals recall on average; a narrow candidate is precise and covers little."""
    real, fake = clouds(6, 1500, 1500, 16, spread=1.0)
    same = measured(real, fake)
    assert same["density"] == pytest.approx(1, abs=0.05)
    assert same["precision"] == pytest.approx(same["recall"], abs=0.05)
    narrow = measured(*clouds(6, 1500, 1500, 16, spread=0.3))
    assert narrow["precision"] > 0.99
    assert narrow["recall"] < 0.05


def test_too_few_images_name_k():
    real, fake = clouds(0, 3, 20, 4)
    sets = Features("the reference", real), Features("the candidate", fake)
    with pytest.raises(UsageError, match=r"the reference holds 3 images; k = 3 needs at least 4"):
        precision_recall(*sets, protocol(3))
    with pytest.raises(UsageError, match=r"the reference holds 3 images; k = 5 needs at least 6"):
        density_coverage(*sets, protocol(3))


def test_balls_are_closed():
    """Five copies of every point: with open balls of radius 0 nothing would lie in any."""
    points = np.random.RandomState(0).randn(8, 4).astype(np.float32).repeat(5, axis=0)
    found = measured(points, points)
    assert (found["precision"], found["recall"], found["coverage"]) == (1.0, 1.0, 1.0)


# ------------------------------------------------------------------------------------- ADM's distances, in float16


def near_each_other(seed, count):
    """Squared lengths of about 300, as of Inception's pool3, where float16 has steps of a quarter; distances of 13."""
    base = np.abs(np.random.RandomState(7).randn(2048)) * 0.38
    mixing = np.random.RandomState(8).randn(8, 2048) * 0.02
    return (base + np.random.RandomState(seed).randn(count, 8) @ mixing).astype(np.float32)


def adm(real, fake):
    return precision_recall(Features("the reference", real), Features("the candidate", fake), PROTOCOLS["adm"])


def half(x):
    return np.asarray(x, dtype=np.float16)


def by_hand(real, fake, k):
    """Every step of |u|^2 - 2 u.v + |v|^2 rounded to float16, pair by pair; an image is its own 0-th neighbour."""

    def distances(one, other):
        one, other = half(one), half(other)
        squares = [half(half(x * x).astype(np.float64).sum(axis=1)) for x in (one, other)]
        products = half(one.astype(np.float64) @ other.astype(np.float64).T)
        return np.maximum(half(half(squares[0][:, None] - half(2 * products)) + squares[1][None]), 0)

    across = distances(real, fake)
    radii = [np.sort(distances(x, x), axis=1)[:, k] for x in (real, fake)]
    return {
        "precision": (across <= radii[0][:, None]).any(axis=0).mean(),
        "recall": (across <= radii[1][None]).any(axis=1).mean(),
    }


def test_distances_in_float16_are_what_rounding_every_step_gives():
    real, fake = near_each_other(0, 64), near_each_other(1, 60)
    found = adm(real, fake)
    assert found == pytest.approx(by_hand(real, fake, 3), abs=1.5 / 64), "sums differ in their last bit"
    exact = precision_recall(Features("r", real), Features("f", fake), PROTOCOLS["adm-float64"])
    assert exact == {name: brute_force(real, fake, 3)[name] for name in ("precision", "recall")}
    assert found != exact
    steps = np.unique(np.diff(np.unique(squared_distances(real, fake).numpy())))
    assert steps.min() >= 2**-3


def test_blocks_of_distances_give_what_one_block_gives(monkeypatch):
    from bench.metrics import half_distances

    real, fake = near_each_other(0, 50), near_each_other(1, 47)
    whole = adm(real, fake)
    monkeypatch.setattr(half_distances, "BLOCK", 13)
    assert adm(real, fake) == whole


def test_distances_that_overflow_float16_are_taken_in_float32():
    real, fake = clouds(8, 60, 50, 64, scale=100.0)
    exact = brute_force(real, fake, 3)
    assert squared_distances(real, fake).max() > 65504
    assert adm(real, fake) == {name: exact[name] for name in ("precision", "recall")}
