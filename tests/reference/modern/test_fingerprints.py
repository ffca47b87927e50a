"""The recipe itself: its formulas give the values that it prints to check them by."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.reference.modern import fingerprints as fp


def test_the_weights_are_those_of_the_recipe() -> None:
    for key, rank in (("u(0..3, r=0)", 0), ("u(0..3, r=3)", 3)):
        assert np.allclose(fp.uniform(4, rank), fp.facts()["recipe"]["u check"][key], rtol=0, atol=5e-10)
    state = fp.weights({"b.weight": (2, 3), "a.gamma": (4,), "c.bias": (4,)})
    assert torch.allclose(state["a.gamma"].double(), torch.from_numpy(1 + 0.1 * fp.uniform(4, 0)), atol=1e-7)
    assert torch.allclose(state["b.weight"].flatten().double(), torch.from_numpy(fp.uniform(6, 1)), atol=1e-7)
    assert torch.allclose(state["c.bias"].double(), torch.from_numpy(0.1 * fp.uniform(4, 2)), atol=1e-7)


def test_the_image_is_that_of_the_recipe() -> None:
    known = fp.facts()["recipe"]["image check"]
    assert int(fp.image(64).sum()) == known["sum of all values, S=64"]
    assert int(fp.image(256).sum()) == known["sum of all values, S=256"]
    assert fp.image(64)[0, 0, :3, :4].tolist() == known["p[0,0:3,0:4]"]


@pytest.mark.parametrize("layout", sorted(fp._layouts()))
def test_a_layout_has_the_parameters_that_it_says(layout: str) -> None:
    assert sum(map(math.prod, fp.learnable(layout).values())) == fp.parameters(layout)
