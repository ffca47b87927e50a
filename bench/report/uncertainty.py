"""Uncertainty, as pure functions of arrays: bootstrap, Wilcoxon, Student, Holm.

Every resampling is seeded from its own size, so equal data give equal numbers on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import TYPE_CHECKING

from bench.core.seeding import derive

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2000
LEVEL = 0.05
SEED_LEVEL = 0.06
"""Level of the comparison over seeds: the smallest in hundredths at which five seeds a side see a shift of two seed
deviations nine times out of ten (:func:`power` gives 0.912; 0.892 at 0.05)."""


@lru_cache(maxsize=4)
def _weights(count: int, resamples: int) -> np.ndarray:
    """How often each of ``count`` items is drawn in each resample, divided by ``count``: float32 ``[R, count]``."""
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(derive("bootstrap", count, resamples)))
    weights = np.empty((resamples, count), dtype=np.float32)
    for row in weights:
        row[:] = np.bincount(rng.integers(0, count, count), minlength=count)
    return weights / count


def bootstrap_means(values: np.ndarray, resamples: int = RESAMPLES) -> np.ndarray:
    """Means of resamples with replacement along the first axis: ``[N, ...]`` to ``[resamples, ...]``, float64.

    The mean is taken off before and put back after, so that single precision of the weights does no harm.
    """
    import numpy as np

    values = np.asarray(values, dtype=np.float64)
    centre = values.mean(axis=0)
    centred = (values - centre).astype(np.float32)
    means: np.ndarray = centre + np.tensordot(_weights(len(values), resamples), centred, axes=1)
    return means


def bootstrap_interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of the mean with coverage ``1 - level``; ``values`` is ``[N]``."""
    import numpy as np

    low, high = np.quantile(bootstrap_means(values), [level / 2, 1 - level / 2])
    return float(low), float(high)


def bootstrap_p(differences: np.ndarray) -> float:
    """One-sided p-value of "the mean difference is not above zero", by a paired bootstrap; all zero gives 1.

    Where no resample reaches zero, the normal tail of the resampled means, at most 1/(R + 1): the resolution of
    resampling would otherwise hide every finding from a correction for many comparisons.
    """
    import numpy as np
    from scipy import stats

    if not np.any(differences):
        return 1.0
    means = bootstrap_means(differences)
    below = int((means <= 0).sum())
    if below:
        return (1 + below) / (1 + len(means))
    spread = float(means.std())
    tail = float(stats.norm.sf(float(np.mean(differences)) / spread)) if spread > 0 else 0.0
    return min(tail, 1 / (1 + len(means)))


def wilcoxon_p(differences: np.ndarray) -> float:
    """One-sided p-value of Wilcoxon's signed-rank test for differences above zero; zeros are dropped, all zero is 1."""
    import numpy as np
    from scipy import stats

    nonzero = np.asarray(differences, dtype=np.float64)
    nonzero = nonzero[nonzero != 0]
    if not len(nonzero):
        return 1.0
    return float(stats.wilcoxon(nonzero, alternative="greater").pvalue)


def student_p(one: np.ndarray, other: np.ndarray) -> float:
    """One-sided p-value of Student's two-sample test (pooled variance) for the mean of ``one`` above that of ``other``.

    Two groups without any spread are told apart by their means alone.
    """
    from scipy import stats

    if max(one) == min(one) and max(other) == min(other):
        return 0.0 if one[0] > other[0] else 1.0
    return float(stats.ttest_ind(one, other, alternative="greater").pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979): adjusted p-values in the given order, controlling the family-wise error."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


@dataclass(frozen=True)
class SeedNoise:
    """How far two means over seeds may lie apart by chance: ``allowed`` = ``k`` times ``deviation``.

    ``deviation`` is that of one seed, ``freedom`` its degrees of freedom (None: known beforehand).
    """

    deviation: float
    k: float
    freedom: int | None

    @property
    def allowed(self) -> float:
        """The largest distance that is put down to the seeds."""
        return self.k * self.deviation


def seed_noise(
    one: Sequence[float],
    other: Sequence[float],
    level: float = SEED_LEVEL,
    known: float | None = None,
    k: float | None = None,
) -> SeedNoise | None:
    """The seed noise between two groups of runs, or None where nothing is known of it.

    The deviation is pooled over both groups (a group of one says nothing), or ``known``. By default ``k`` is Student's
    one-sided quantile at ``1 - level`` (the normal one where the deviation is known) times ``sqrt(1/m + 1/n)``: the
    test is then exact for normal seeds.
    """
    import numpy as np
    from scipy import stats

    freedom = len(one) + len(other) - 2
    spread = sqrt(1 / len(one) + 1 / len(other))
    if known is not None:
        return SeedNoise(known, float(stats.norm.ppf(1 - level)) * spread if k is None else k, None)
    if freedom < 1:
        return None
    squares = sum((len(g) - 1) * float(np.var(g, ddof=1)) for g in (one, other) if len(g) > 1)
    quantile = float(stats.t.ppf(1 - level, freedom)) * spread
    return SeedNoise(sqrt(squares / freedom), quantile if k is None else k, freedom)


def power(shift: float, seeds: int, level: float = SEED_LEVEL) -> float:
    """Chance that a shift of so many seed deviations is seen with ``seeds`` runs a side, deviation unknown.

    Of the default :func:`seed_noise`: the one-sided two-sample t-test, by the noncentral t distribution.
    """
    from scipy import stats

    freedom = 2 * seeds - 2
    return float(stats.nct.sf(stats.t.ppf(1 - level, freedom), freedom, shift / sqrt(2 / seeds)))
