"""The data protocols against independent implementations of their definitions."""

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

from bench.core import images

SIZES = [(64, 64), (100, 75), (75, 100), (131, 257), (257, 130), (65, 300), (512, 300)]
ONE_LEVEL = 1.01
"""Pillow computes in fixed point and rounds between its two passes, which may cost a level."""


def picture(height, width):
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def box(x):
    return np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0)


def cubic(x):
    """Keys' cubic convolution kernel with a = -0.5."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def weights(length, size, kernel):
    """The matrix [size, length] that reduces a line with an antialiased kernel, rows summing to one."""
    scale = length / size
    stretch = max(scale, 1.0)
    centres = (np.arange(size) + 0.5) * scale
    matrix = kernel((np.arange(length)[None] + 0.5 - centres[:, None]) / stretch)
    return matrix / matrix.sum(1, keepdims=True)


def rounded(values):
    return np.clip(np.floor(values + 0.5), 0, 255)


def resampled(pixels, size, kernel):
    """Along x, rounded to whole levels, then along y, rounded: a separable resize of 8-bit images."""
    across = rounded(np.einsum("oi,hic->hoc", weights(pixels.shape[1], size[1], kernel), pixels.astype(np.float64)))
    return rounded(np.einsum("oi,iwc->owc", weights(pixels.shape[0], size[0], kernel), across))


def centre(pixels, height, width):
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def distance(one, other):
    return np.abs(one.astype(np.float64) - other).max()


@pytest.mark.parametrize("size", SIZES)
def test_rqvae_is_torchvision_resize_then_centre_crop(size):
    pixels = picture(*size)
    pipeline = v2.Compose([v2.Resize(64, v2.InterpolationMode.BILINEAR), v2.CenterCrop(64)])
    assert np.array_equal(images.rqvae(pixels, 64), np.array(pipeline(Image.fromarray(pixels))))


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (256, 300), (333, 192)])
def test_stylegan_is_the_mean_over_boxes_of_the_centre_square(size):
    pixels = picture(*size)
    square = centre(pixels, min(size), min(size)).astype(np.float64)
    factor = min(size) // 64
    assert factor * 64 == min(size)
    assert distance(images.stylegan(pixels, 64), square.reshape(64, factor, 64, factor, 3).mean((1, 3))) <= ONE_LEVEL


@pytest.mark.parametrize("size", SIZES)
def test_ldm_is_the_bicubic_reduction_of_the_centre_square(size):
    pixels = picture(*size)
    expected = resampled(centre(pixels, min(size), min(size)), (64, 64), cubic)
    assert distance(images.ldm(pixels, 64), expected) <= ONE_LEVEL


@pytest.mark.parametrize("size", SIZES)
def test_adm_halves_by_box_then_bicubic_then_centre_crop(size):
    pixels = picture(*size)
    small = pixels
    while min(small.shape[:2]) >= 128:
        small = resampled(small, (small.shape[0] // 2, small.shape[1] // 2), box)
    scale = 64 / min(small.shape[:2])
    small = resampled(small, (round(small.shape[0] * scale), round(small.shape[1] * scale)), cubic)
    halvings = int(np.log2(min(size) // 64))
    assert distance(images.adm(pixels, 64), centre(small, 64, 64)) <= ONE_LEVEL * (1 + halvings)


@pytest.mark.parametrize("name", sorted(images.PROTOCOLS))
def test_every_protocol_keeps_an_image_that_has_the_size_already(name):
    pixels = picture(64, 64)
    assert np.array_equal(images.PROTOCOLS[name](pixels, 64), pixels)


@pytest.mark.parametrize("name", sorted(images.PROTOCOLS))
@pytest.mark.parametrize("size", SIZES)
def test_every_protocol_gives_the_size_asked_for(name, size):
    assert images.PROTOCOLS[name](picture(*size), 64).shape == (64, 64, 3)


def test_the_protocols_differ_on_the_same_image():
    """A reference made by another protocol is another reference."""
    pixels = picture(160, 231)
    made = [protocol(pixels, 64).tobytes() for protocol in images.PROTOCOLS.values()]
    assert len(set(made)) == len(images.PROTOCOLS)
