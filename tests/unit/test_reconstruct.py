"""Reconstructions with the decoder's noise: a function of the noise's seed and the image's number alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench import arrays, images, seeding
from bench.contract import Codes, Continuous, Seeds
from bench.grammar import Method
from bench.options import Decoding
from bench.plan import Cell
from bench.progress import silent
from bench.stages import decoding
from bench.tasks.reconstruct import reconstruct
from tests.toys import ENTRY, ToySettings

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 4), dtype=np.uint8)


@dataclass(frozen=True)
class Noisy:
    """The image itself, and with noise some of it added."""

    revision: str = "noisy"

    def encode(self, pixels: Tensor) -> Codes:
        return Continuous(images.to_unit(pixels))

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        assert isinstance(codes, Continuous)
        added = 0 if noise is None else 0.1 * seeding.normal(noise, (3, 4, 4), "test")
        return (codes.tensor + added).clamp(0, 1)


def pixels(folder: Path, batch: int, noise: int | None) -> np.ndarray:
    reference = arrays.in_memory(PIXELS)
    return reconstruct(Noisy(), reference, folder, CPU, batch, lambda codes: None, silent, dict, noise).pixels


def test_noise_is_seeded_per_image(tmp_path: Path) -> None:
    plain, noisy = pixels(tmp_path / "a", 7, None), pixels(tmp_path / "b", 7, 5)
    assert np.array_equal(plain, PIXELS)
    assert not np.array_equal(noisy, PIXELS)
    assert np.array_equal(noisy, pixels(tmp_path / "c", 2, 5))
    assert not np.array_equal(noisy, pixels(tmp_path / "d", 7, 99))


def test_the_seed_is_the_cells_and_a_row_without_noise_says_nothing_of_it() -> None:
    cell = Cell(Method("toy"), ENTRY, ToySettings(), 0, ("recon",))
    assert (decoding.seed(cell), decoding.recipe(cell), decoding.facts(cell)) == (None, {}, {})
    entry = replace(ENTRY, decoding_noise="tests.unit.test_reconstruct:deviations")
    noisy = replace(cell, entry=entry, decoding=Decoding(noise=True))
    assert decoding.recipe(noisy) == {"noise": True}
    assert decoding.facts(noisy) == {"decoding_noise": {"everywhere": 0.1}}
    assert decoding.seed(noisy) == decoding.seed(noisy) != decoding.seed(replace(noisy, seed=1))


def deviations(settings: object) -> dict[str, float]:
    return {"everywhere": 0.1}
