"""Reconstructions with the decoder's noise: a function of the noise's seed and the image's number alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.contract import Codes, Continuous, Indices, Seeds
from bench.core import images, registry, seeding
from bench.core.progress import silent
from bench.data import frozen
from bench.errors import UsageError
from bench.evaluate.rate import Meter, rounded
from bench.evaluate.reconstruct import reconstruct
from bench.run import tokenizers
from bench.run.cells import Cell
from bench.run.method_string import Method, parse_list
from bench.run.settings import Decoding, resolve
from methods import METHODS
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


@dataclass(frozen=True)
class Keys:
    """The image as codes between bounds, or without."""

    bounds: tuple[float | None, float | None]
    revision: str = "keys"

    def encode(self, pixels: Tensor) -> Codes:
        return Continuous(images.to_unit(pixels), *self.bounds)

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        assert isinstance(codes, Continuous)
        return codes.tensor


def seen(folder: Path, bounds: tuple[float | None, float | None], depth: int | None) -> tuple[np.ndarray, Meter]:
    """The reconstructions and the rate, as the stage asks for them."""
    meter, reference = Meter(depth), frozen.in_memory(PIXELS)
    made = reconstruct(Keys(bounds), reference, folder, CPU, 3, meter.update, silent, dict, bit_depth=depth)
    return made.pixels, meter


def test_the_images_are_decoded_from_the_codes_that_the_rate_counts(tmp_path: Path) -> None:
    decoded, meter = seen(tmp_path / "rounded", (0.0, 1.0), 2)
    assert set(np.unique(decoded)) == {0, 85, 170, 255}
    assert np.abs(decoded.astype(int) - PIXELS).max() <= 43
    assert meter.bits.tolist() == [3 * 16 * 2] * 7
    plain, without = seen(tmp_path / "plain", (0.0, 1.0), None)
    assert np.array_equal(plain, PIXELS)
    assert all(m.value is None and "named bit depth" in str(m.reason) for m in without.measurements(16))


def test_a_bit_depth_of_codes_without_bounds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no uniform levels"):
        seen(tmp_path, (None, None), 8)
    with pytest.raises(UsageError, match="for continuous codes, not for Indices"):
        rounded(Indices(torch.zeros(1, 1, 1, 1, dtype=torch.long), (2,)), 8)


def test_only_a_row_with_a_bit_depth_says_so() -> None:
    cell = Cell(Method("toy"), ENTRY, ToySettings(), 0, ("recon",))
    assert (tokenizers.bit_depth(cell), tokenizers.depth_recipe(cell)) == (None, {})
    deep = replace(cell, entry=replace(ENTRY, bit_depth=six_bits))
    assert (tokenizers.bit_depth(deep), tokenizers.depth_recipe(deep)) == (6, {"bit_depth": 6})
    methods = {name: registry.load(path) for name, path in METHODS.items()}
    for settings, depth in (("codes=d", 8), ("codes=c", 8), ("bits=4", None)):
        (method,) = parse_list([f"brics:{settings}"], ())
        row = Cell(method, methods["brics"], resolve(method, methods["brics"], "smoke"), 0, ("recon",))
        assert tokenizers.bit_depth(row) == depth
    for name in set(METHODS) - {"brics"}:
        assert methods[name].bit_depth is None


def six_bits(settings: object) -> int:
    return 6


def deviations(settings: object) -> dict[str, float]:
    return {"everywhere": 0.1}
