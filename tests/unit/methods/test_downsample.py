"""The floor of every table: what it keeps, what it refuses."""

import pytest
import torch

from bench.contract import Build
from bench.core.distributed import Alone
from bench.errors import BenchError, UsageError
from bench.evaluate.rate import bits_per_image
from methods.downsample import settings
from methods.downsample.model import Downsample


def downsample(grid: int, resolution: int) -> Downsample:
    build = Build((resolution, resolution), 0, torch.device("cpu"), Alone())
    return Downsample(settings("small", str(grid)), build)


def test_a_cell_is_the_rounded_mean_of_its_pixels_and_costs_24_bits():
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    codes = downsample(2, 8).encode(images)
    expected = images.double().reshape(2, 3, 2, 4, 2, 4).mean((3, 5))
    assert (codes.tensor.permute(0, 3, 1, 2) - expected).abs().max() <= 0.5 + 1e-4
    assert list(bits_per_image(codes)) == [2 * 2 * 24] * 2


def test_a_flat_image_comes_back_unchanged():
    images = torch.full((1, 3, 12, 12), 77, dtype=torch.uint8)
    tokenizer = downsample(5, 12)
    assert torch.allclose(tokenizer.decode(tokenizer.encode(images)), torch.tensor(77 / 255), atol=1e-6)


def test_a_grid_as_fine_as_the_image_loses_nothing():
    images = torch.randint(0, 256, (1, 3, 6, 6), dtype=torch.uint8)
    tokenizer = downsample(6, 6)
    assert torch.allclose(tokenizer.decode(tokenizer.encode(images)) * 255, images.float(), atol=1e-3)


def test_a_grid_finer_than_the_image_is_refused():
    with pytest.raises(BenchError, match="at most 8"):
        downsample(9, 8)


@pytest.mark.parametrize("variant", ["0", "x", "-3"])
def test_a_variant_that_is_no_grid_is_refused(variant: str):
    with pytest.raises(UsageError, match="grid"):
        settings("small", variant)
