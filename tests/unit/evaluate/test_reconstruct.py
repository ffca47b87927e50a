"""Reconstructions with the decoder's noise: a function of the noise's seed and the image's number alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.contract import Codes, Continuous, Seeds
from bench.core import images, seeding
from bench.core.progress import silent
from bench.data import frozen
from bench.evaluate.reconstruct import reconstruct
from bench.run.cells import Cell
from bench.run.method_string import Method
from bench.run.settings import Decoding
from bench.run.stages import tokenizers
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
    reference = frozen.in_memory(PIXELS)
    return reconstruct(Noisy(), reference, folder, CPU, batch, lambda codes: None, silent, dict, noise).pixels


def test_noise_is_seeded_per_image(tmp_path: Path) -> None:
    plain, noisy = pixels(tmp_path / "a", 7, None), pixels(tmp_path / "b", 7, 5)
    assert np.array_equal(plain, PIXELS)
    assert not np.array_equal(noisy, PIXELS)
    assert np.array_equal(noisy, pixels(tmp_path / "c", 2, 5))
    assert not np.array_equal(noisy, pixels(tmp_path / "d", 7, 99))


def test_the_seed_is_the_cells_and_a_row_without_noise_says_nothing_of_it() -> None:
    cell = Cell(Method("toy"), ENTRY, ToySettings(), 0, ("recon",))
    assert (tokenizers.noise_seed(cell), tokenizers.noise_recipe(cell), tokenizers.noise_facts(cell)) == (None, {}, {})
    entry = replace(ENTRY, decoding_noise=deviations)
    noisy = replace(cell, entry=entry, decoding=Decoding(noise=True))
    assert tokenizers.noise_recipe(noisy) == {"noise": True}
    assert tokenizers.noise_facts(noisy) == {"decoding_noise": {"everywhere": 0.1}}
    assert tokenizers.noise_seed(noisy) == tokenizers.noise_seed(noisy) != tokenizers.noise_seed(replace(noisy, seed=1))


def deviations(settings: object) -> dict[str, float]:
    return {"everywhere": 0.1}
