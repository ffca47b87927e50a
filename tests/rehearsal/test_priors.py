"""Every prior, at the large presets: its own loss, schedule and sampler on a small network and the codes of its method.

Nothing but sizes is changed, and nothing of the learner is replaced.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.contract import Learner, Tokenizer
from bench.core.progress import silent
from bench.core.registry import method_of
from bench.evaluate.encode import encode
from tests.rehearsal.promises import PARTS, TOTALS
from tests.rehearsal.running import (
    AFTER,
    build,
    check_average,
    check_phases,
    killed_and_resumed,
    parameters,
    photographs,
)
from tests.rehearsal.shrink import ENTRIES, LARGE, PriorCase, priors

CASES = priors()
CPU = torch.device("cpu")
MOST = 3_000_000


def test_every_prior_is_rehearsed() -> None:
    rehearsed = {(case.tokenizer.method, case.tokenizer.preset) for case in CASES}
    assert rehearsed == {
        (name, preset) for name, entry in ENTRIES.items() if method_of(entry).prior for preset in LARGE
    }


def tokenizer_of(case: PriorCase, vgg16: Path) -> Tokenizer:
    """The method's default tokenizer as it is built: its codes have every shape and kind that trained ones have."""
    one = case.tokenizer
    if method_of(one.entry).learner:
        return method_of(one.entry).learner(one.settings, build(one.side, vgg16)).finish()
    return method_of(one.entry).tokenizer(one.settings, build(one.side, vgg16))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_prior_trains_with_its_own_loss_is_killed_and_resumes(case: PriorCase, vgg16: Path, tmp_path: Path) -> None:
    one, tokenizer = case.tokenizer, tokenizer_of(case, vgg16)
    flip = one.preset == "medium"
    source = encode(tokenizer, photographs(one.side), tmp_path, CPU, 4, silent, flip=flip)

    def make(seed: int) -> Learner:
        made = build(one.side, vgg16, seed)
        return method_of(one.entry).prior.learner(case.settings, made, tokenizer, source.head(8))

    learner, _, seen = killed_and_resumed(make, source, one.preset, tmp_path, AFTER)
    assert sum(p.numel() for _, p in parameters(learner)) < MOST
    for step, point in enumerate(seen.points):
        assert set(point) - {"images"} == PARTS[type(case.settings)](case.settings, step)
        assert all(np.isfinite(value) and value >= 0 for value in point.values())
        wanted = TOTALS[type(case.settings)](case.settings, point, 0)
        assert wanted is None or point["prior/total"] == pytest.approx(wanted, rel=1e-5)
    check_phases(learner, seen)
    check_average(learner, seen)
    prior = learner.finish()
    drawn = prior.sample([5, 6])  # type: ignore[union-attr]
    decoded = tokenizer.decode(drawn)
    assert decoded.shape == (2, 3, one.side, one.side)
    assert torch.isfinite(decoded).all()
    assert 0 <= float(decoded.min()) <= float(decoded.max()) <= 1
    if method_of(one.entry).prior.likelihood:
        bits = method_of(one.entry).prior.likelihood(prior, source.head(2))
        assert (bits > 0).all()
        assert np.isfinite(bits).all()
