"""Every tokenizer that is trained, at the large presets: their own losses, phases and recipes on small networks.

Nothing but sizes and the starts of phases is changed, and nothing of the learner is replaced.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.contract import Learner
from bench.core import images
from bench.core.registry import method_of
from bench.evaluate.cost import count_method
from bench.train.batches import ImageSource
from tests.rehearsal.promises import PARTS, TOTALS
from tests.rehearsal.running import (
    AFTER,
    Seen,
    balanced,
    build,
    check_average,
    check_phases,
    killed_and_resumed,
    parameters,
    photographs,
)
from tests.rehearsal.shrink import ENTRIES, LARGE, RULES, Case, case, changed, last_start, priors, tokenizers

CASES = tokenizers()
MOST = 3_000_000
"""More parameters than that are no small network: a new size field needs its rule."""


@pytest.mark.parametrize("case", [*CASES, *priors()], ids=lambda case: case.id)
def test_only_sizes_and_starts_are_changed(case: Case) -> None:
    names = changed(case.published, case.settings)
    assert names
    assert {name.rpartition(".")[2] for name in names} <= RULES.keys()


@pytest.mark.parametrize("preset", LARGE)
@pytest.mark.parametrize("method", [name for name, entry in ENTRIES.items() if method_of(entry).learner])
def test_every_variant_of_a_preset_is_rehearsed(method: str, preset: str) -> None:
    """Whatever settings a preset has for a method, by name or by default, are those of a case."""
    rehearsed = [one.published for one in CASES if (one.method, one.preset) == (method, preset)]
    named = [case(method, preset, variant) for variant in (None, *ENTRIES[method].variants)]
    assert named[0] is not None, "the preset's default"
    assert [one.variant for one in named if one is not None and one.published not in rehearsed] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_tokenizer_trains_with_its_own_losses_is_killed_and_resumes(case: Case, vgg16: Path, tmp_path: Path) -> None:
    source = ImageSource(photographs(case.side))

    def make(seed: int) -> Learner:
        learner: Learner = method_of(case.entry).learner(case.settings, build(case.side, vgg16, seed))
        return learner

    learner, _, seen = killed_and_resumed(make, source, case.preset, tmp_path, last_start(case.settings) + AFTER)
    assert sum(p.numel() for _, p in parameters(learner)) < MOST
    check_losses(case, seen)
    check_phases(learner, seen)
    check_state_moves(learner, make(0), balanced(learner))
    check_average(learner, seen)
    check_product(case, learner)


def check_losses(case: Case, seen: Seen) -> None:
    """Exactly the promised parts occur, all are finite, and the total is their weighted sum."""
    parts, total = PARTS[type(case.settings)], TOTALS[type(case.settings)]
    for step, point in enumerate(seen.points):
        assert set(point) - {"images"} == parts(case.settings, step)
        assert all(np.isfinite(value) for value in point.values())
        wanted = total(case.settings, point, 3 * case.side**2)
        assert point["autoencoder/total"] == pytest.approx(wanted, rel=1e-3)
        if "r1/penalty" in point:
            losses = case.settings.losses
            assert point["r1/penalty"] > 0
            assert point["r1/total"] == pytest.approx(point["r1/penalty"] * losses.r1 / 2 * losses.r1_every, rel=1e-5)


def check_state_moves(learner: Learner, fresh: Learner, balanced: set[str]) -> None:
    """Codebooks that no gradient trains and statistics move as well: nothing of the state is left as it was built."""
    before = fresh.module.state_dict()
    still = {name for name, value in learner.module.state_dict().items() if torch.equal(value, before[name])}
    assert not still - balanced


def check_product(case: Case, learner: Learner) -> None:
    """Encodes and decodes: float32 in [0, 1], not constant, the same again; and its parts are counted."""
    tokenizer = learner.finish()
    pixels = torch.from_numpy(np.array(photographs(case.side).pixels[:2]))
    codes = tokenizer.encode(pixels)  # type: ignore[union-attr]
    decoded = tokenizer.decode(codes)  # type: ignore[union-attr]
    assert decoded.dtype == torch.float32
    assert decoded.shape == pixels.shape
    assert torch.isfinite(decoded).all()
    assert 0 <= float(decoded.min()) < float(decoded.max()) <= 1
    error = (images.to_uint8(decoded).double() - pixels.double()).square().mean()
    assert 0 < float(10 * torch.log10(255**2 / error)) < 60
    assert torch.equal(decoded, tokenizer.decode(tokenizer.encode(pixels)))  # type: ignore[union-attr]
    counts = count_method(method_of(case.entry).parts, case.settings, (case.side, case.side))
    counted = {m.name: m.value for m in counts.measurements}
    assert min(counted[f"{side}-{what}"] for side in ("encoder", "decoder") for what in ("gmac", "parameters")) > 0
