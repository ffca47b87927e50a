"""Randomness from coordinates alone."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.core import seeding


def test_derive_is_the_sha256_of_its_coordinates() -> None:
    digest = hashlib.sha256(b"int:3\x1fstr:flip").digest()
    assert seeding.derive(3, "flip") == int.from_bytes(digest[:8], "big") >> 1
    assert seeding.derive(1, 23) != seeding.derive(12, 3)
    assert seeding.derive("1") != seeding.derive(1)


def test_noise_is_its_seed() -> None:
    together = seeding.normal([5, 6, 7], (2, 3), "a")
    assert torch.equal(together[1], seeding.normal([6], (2, 3), "a")[0])
    assert not torch.equal(together[1], seeding.normal([6], (2, 3), "b")[0])
    many = seeding.normal(range(2000), (10,), "a")
    assert abs(float(many.mean())) < 0.03
    assert abs(float(many.std()) - 1) < 0.03
    flat = seeding.uniform(range(2000), (10,), "a")
    assert 0 <= float(flat.min()) <= float(flat.max()) < 1
    assert abs(float(flat.mean()) - 0.5) < 0.01


@given(st.integers(0, 5), st.integers(1, 9), st.integers(1, 12))
def test_every_epoch_shows_every_image_once(seed: int, batch: int, count: int) -> None:
    steps = 3 * count
    order = np.concatenate([seeding.step_indices(seed, step, batch, count) for step in range(steps)])
    assert len(order) == batch * steps
    for epoch in range(len(order) // count):
        assert sorted(order[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_flips_are_half_and_off_by_default() -> None:
    flips = np.concatenate([seeding.step_flips(0, step, 64, True) for step in range(50)])
    assert 0.45 < flips.mean() < 0.55
    assert not seeding.step_flips(0, 1, 64, False).any()
