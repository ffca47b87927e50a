"""What a tokenizer is given of images of any size: padding, refusals, and the memory of attention."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.contract import ANY_SIZE, Codes, Continuous, FixedSize, MultiplesOf, Seeds
from bench.core.progress import silent
from bench.data import mixed, sized
from bench.data.mixed import Mixed
from bench.evaluate import fitting
from bench.evaluate.rate import Meter, means
from bench.evaluate.reconstruct import reconstruct

CPU = torch.device("cpu")
SIZES = np.array([[5, 9], [8, 8], [9, 5]])


def pixels(*shapes: Sequence[int]) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (3, *shape), np.uint8) for shape in shapes]


class Whole:
    """Codes that are the images, of which it takes multiples of 4 x 8 alone."""

    revision = "whole"

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def encode(self, images: Tensor) -> Codes:
        assert images.shape[2] % 4 == images.shape[3] % 8 == 0
        self.seen.append(tuple(images.shape))
        return Continuous(images.float() / 255, 0.0, 1.0)

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        assert isinstance(codes, Continuous)
        return codes.tensor if noise is None else codes.tensor * 0 + torch.tensor(noise).view(-1, 1, 1, 1) / 255


def test_padding_repeats_the_edge_below_and_on_the_right_as_numpy_does() -> None:
    (image,) = pixels((5, 9))
    padded = fitting.padded(MultiplesOf(4, 8), torch.from_numpy(image)[None])
    assert np.array_equal(padded[0].numpy(), np.pad(image, ((0, 0), (0, 3), (0, 7)), "edge"))
    assert torch.equal(fitting.cropped(padded, (5, 9))[0], torch.from_numpy(image))
    assert fitting.padded(ANY_SIZE, padded) is padded


def test_reconstructions_of_padded_images_have_the_true_size_and_order(tmp_path: Path) -> None:
    images = mixed.in_memory(pixels((5, 9), (8, 8), (9, 5), (5, 9)))
    made, meter = Whole(), Meter(8)
    found = reconstruct(made, images, tmp_path / "set", CPU, 2, meter.update, silent, dict, None, 8, MultiplesOf(4, 8))
    assert found.digest == images.digest
    assert made.seen == [(2, 3, 8, 16), (1, 3, 8, 8), (1, 3, 12, 8)]
    bits = 8 * 3 * np.array([128, 128, 64, 96])
    assert meter.bits.tolist() == bits.tolist()
    rates = {m.name: m.value for m in meter.measurements(np.array([45, 45, 64, 45]))}
    assert rates["bits-per-pixel"] == pytest.approx((bits / [45, 45, 64, 45]).mean())
    assert rates["total-bits-per-pixel"] == pytest.approx(bits.sum() / 199)


def test_noise_is_that_of_the_images_place(tmp_path: Path) -> None:
    originals = mixed.in_memory(pixels((8, 8), (4, 8), (8, 8)))
    found = reconstruct(Whole(), originals, tmp_path / "set", CPU, 2, lambda codes: None, silent, dict, noise_seed=7)
    assert isinstance(found, Mixed)
    assert [int(found.image(i).max()) for i in range(3)] == [7, 8, 9]


def test_a_total_rate_is_there_only_where_sizes_differ() -> None:
    assert means(np.array([8.0, 16.0]), np.array([4, 4])) == means(np.array([8.0, 16.0]), 4)
    assert means(np.array([8.0, 16.0]), 4) == {"bits-per-image": 12.0, "bits-per-pixel": 3.0}
    assert means(np.array([8.0, 8.0]), np.array([8, 4]))["total-bits-per-pixel"] == 16 / 12


def test_one_size_takes_that_size_alone() -> None:
    assert fitting.unfit(FixedSize(8, 8), np.array([[8, 8], [8, 8]])) is None
    assert fitting.unfit(MultiplesOf(4, 4), SIZES) is None
    assert fitting.unfit(FixedSize(8, 8), SIZES) == (
        "it takes images of 8x8 pixels alone, and 2 of 3 have others (5x9 to 9x5); nothing is cropped silently: "
        "measure it with a --protocol of one size"
    )


def test_facts_count_what_was_padded() -> None:
    assert fitting.facts(ANY_SIZE, SIZES) == fitting.facts(MultiplesOf(1, 1), SIZES) == {}
    padding = fitting.facts(MultiplesOf(4, 8), SIZES)["padding"]
    assert (padding["images"], padding["coded_pixels"], padding["true_pixels"]) == (2, 128 + 64 + 96, 154)


def test_attention_memory_follows_the_square_of_the_tokens_of_the_largest_image() -> None:
    sizes = np.array([[512, 768], [100, 100]])
    tokens = 512 * 768 // 16**2
    plain, fused = MultiplesOf(16, 16, 16), MultiplesOf(16, 16, 16, fused=True)
    assert fitting.attention_bytes(plain, sizes, keeps_maps=False) == 8 * tokens**2
    assert fitting.attention_bytes(fused, sizes, keeps_maps=True) == 8 * tokens**2
    assert fitting.attention_bytes(fused, sizes, keeps_maps=False) == 0
    assert fitting.attention_bytes(MultiplesOf(16, 16), sizes, keeps_maps=True) == 0
    assert fitting.attention_bytes(plain, np.array([[500, 760]]), keeps_maps=True) == 8 * tokens**2  # as padded


def test_a_batch_of_large_images_is_bounded_by_pixels() -> None:
    found = mixed.in_memory(pixels((600, 600), (8, 8), (8, 8)))
    assert [len(places) for places, _ in sized.batches(found, 64)] == [2, 1]
