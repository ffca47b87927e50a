"""Inception Score (Salimans et al. 2016), in float64."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from bench.errors import UsageError
from bench.metrics.entries import MetricEntry, MetricProtocol
from bench.metrics.feature_cache import Features
from bench.results.record import Tolerance

SEED = 2020
"""Of the shuffle, as in torch-fidelity: NumPy's RandomState."""


def inception_score(reference: Features, candidate: Features, protocol: MetricProtocol) -> Mapping[str, float]:
    """``{"value", "value-deviation"}``: ``exp(E KL(p(y|x) || p(y)))``, the mean over parts of the set.

    ``protocol.splits`` equal parts, or parts of ``protocol.split_size`` images, the last one shorter, all of one
    weight. A single part has no deviation.
    """
    count = candidate.count
    order = np.random.RandomState(SEED).permutation(count) if protocol.shuffled else np.arange(count)
    scores = [_score(candidate.vectors[order[a:b]]) for a, b in pairwise(_bounds(candidate, protocol))]
    value = {"value": float(np.mean(scores))}
    return {**value, "value-deviation": float(np.std(scores))} if len(scores) > 1 else value


def _bounds(candidate: Features, protocol: MetricProtocol) -> list[int]:
    """Where the parts begin, and the end of the last."""
    count, splits = candidate.count, protocol.splits
    if protocol.split_size is not None:
        return [*range(0, count, protocol.split_size), count]
    assert splits is not None, "a protocol says either how many parts or how large"
    if count < splits:
        raise UsageError(f"{candidate.name} holds {count} images; IS in {splits} splits needs at least {splits}.")
    return [i * count // splits for i in range(splits + 1)]


def _score(logits: np.ndarray) -> float:
    """Of one split: logits ``[n, classes]``."""
    from scipy.special import log_softmax, logsumexp

    logarithms = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    marginal = logsumexp(logarithms, axis=0) - np.log(len(logarithms))
    return float(np.exp((np.exp(logarithms) * (logarithms - marginal)).sum(axis=1).mean()))


ROWS = (
    MetricEntry(
        name="is",
        title="IS",
        kind="set",
        higher_is_better=True,
        unit="",
        decimals=2,
        place=60,
        function=inception_score,
        tolerance=Tolerance(0.05, 0.01),
        features="is",
        reads="candidate",
        settings=("splits", "split_size", "shuffled"),
        convention={"logits": "without bias", "seed": SEED},
    ),
)
