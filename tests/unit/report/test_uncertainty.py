"""Bootstrap, Wilcoxon, Holm and seed noise against known answers and independent implementations."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats as reference

from bench.regression.gates import read_gates
from bench.report import uncertainty


def test_bootstrap_interval_agrees_with_scipy_and_is_the_same_every_time():
    values = np.random.default_rng(0).gamma(2.0, 3.0, 400)
    low, high = uncertainty.bootstrap_interval(values)
    theirs = reference.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert low == pytest.approx(theirs.low, abs=0.05)
    assert high == pytest.approx(theirs.high, abs=0.05)
    assert uncertainty.bootstrap_interval(values) == (low, high)


def test_bootstrap_interval_covers_the_true_mean_as_often_as_it_says():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(300):
        low, high = uncertainty.bootstrap_interval(rng.normal(5, 2, 60))
        inside += low <= 5 <= high
    assert 0.90 <= inside / 300 <= 0.98


def test_bootstrap_means_keep_precision_far_from_zero():
    values = 1e6 + np.random.default_rng(2).normal(0, 1e-3, 200)
    means = uncertainty.bootstrap_means(values)
    assert np.abs(means - values.mean()).max() < 1e-3
    assert means.std() == pytest.approx(1e-3 / np.sqrt(200), rel=0.15)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.1, -0.1])
def test_one_sided_p_values_agree_with_the_t_test_on_normal_differences(shift):
    differences = np.random.default_rng(3).normal(shift, 1, 800)
    expected = reference.ttest_1samp(differences, 0, alternative="greater").pvalue
    assert uncertainty.bootstrap_p(differences) == pytest.approx(expected, abs=0.02)
    assert uncertainty.wilcoxon_p(differences) == pytest.approx(
        reference.wilcoxon(differences, alternative="greater").pvalue
    )


def test_no_difference_is_no_evidence_and_a_large_one_goes_beyond_the_resolution_of_resampling():
    zero = np.zeros(10)
    assert uncertainty.bootstrap_p(zero) == uncertainty.wilcoxon_p(zero) == 1.0
    large = np.random.default_rng(4).normal(1, 1, 1000)
    assert uncertainty.bootstrap_p(large) < 1e-10
    assert uncertainty.bootstrap_p(np.full(5, 0.5)) == 0.0
    assert uncertainty.bootstrap_p(-large) == 1.0


def test_bootstrap_p_is_uniform_when_there_is_no_difference():
    rng = np.random.default_rng(5)
    p = [uncertainty.bootstrap_p(rng.normal(0, 1, 80)) for _ in range(400)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.03)


def test_holm_agrees_with_the_definition_by_hand():
    assert uncertainty.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert uncertainty.holm([0.5, 0.9]) == [1.0, 1.0]
    assert uncertainty.holm([]) == []


def test_holm_keeps_the_family_wise_error():
    rng = np.random.default_rng(6)
    wrong = sum(min(uncertainty.holm(rng.uniform(size=20))) <= 0.05 for _ in range(2000))
    assert wrong / 2000 <= 0.065


def test_seed_noise_is_the_t_test():
    rng = np.random.default_rng(7)
    for sizes in ((5, 5), (3, 1), (2, 4)):
        one, other = (rng.normal(0, 1, n) for n in sizes)
        noise = uncertainty.seed_noise(one, other, level=0.05)
        move = other.mean() - one.mean()
        if sizes[1] > 1:
            p = reference.ttest_ind(other, one, alternative="greater").pvalue
            assert (move > noise.allowed) == (p < 0.05)
        assert noise.freedom == sum(sizes) - 2
    assert uncertainty.seed_noise([1.0], [2.0]) is None
    known = uncertainty.seed_noise([1.0], [2.0], level=0.05, known=0.1)
    assert known.allowed == pytest.approx(1.645 * 0.1 * np.sqrt(2), abs=1e-3)
    assert uncertainty.seed_noise([1.0], [2.0], known=0.1, k=3.0).allowed == pytest.approx(0.3)


def test_power_is_the_tabled_one():
    """Two-sample t-test, effect 2, five a side, one-sided 0.05: 0.89 (noncentral t with 8 degrees of freedom)."""
    assert uncertainty.power(2, 5, 0.05) == pytest.approx(0.8916, abs=1e-3)
    assert uncertainty.power(2, 5) >= 0.9
    assert uncertainty.power(0, 5) == pytest.approx(uncertainty.SEED_LEVEL)


def test_student_p_is_scipys_and_knows_groups_without_spread():
    one, other = np.array([3.0, 3.2, 3.1]), np.array([2.9, 3.0])
    assert uncertainty.student_p(one, other) == reference.ttest_ind(one, other, alternative="greater").pvalue
    assert uncertainty.student_p(np.ones(2), np.zeros(2)) == 0.0
    assert uncertainty.student_p(np.zeros(2), np.zeros(3)) == 1.0


def test_the_power_curve_in_the_documentation_is_the_computed_one():
    text = (Path(__file__).parents[3] / "results" / "README.md").read_text(encoding="utf-8")
    block = text.split("<!-- power: begin -->")[1].split("<!-- power: end -->")[0].strip().splitlines()
    shifts = [float(cell) for cell in block[0].split("|")[2:-1]]
    for line in block[2:]:
        seeds, *told = [float(cell) for cell in line.split("|")[1:-1]]
        assert told == [round(uncertainty.power(shift, int(seeds)), 2) for shift in shifts]
    assert len(block) == 6


def test_the_gates_in_the_documentation_are_valid(tmp_path):
    text = (Path(__file__).parents[3] / "results" / "README.md").read_text(encoding="utf-8")
    path = tmp_path / "gates.yaml"
    path.write_text(text.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    assert read_gates(path).speed.reference == "downsample:*"
