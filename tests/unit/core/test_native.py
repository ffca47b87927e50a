"""The protocols that crop nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bench.core import native
from bench.errors import UsageError


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_native_changes_nothing_and_never_enlarges() -> None:
    pixels = picture(20, 30)
    assert native.fitted(pixels, None) is pixels
    assert native.fitted(pixels, 30) is pixels
    assert native.fitted(pixels, 500) is pixels


@pytest.mark.parametrize(
    ("size", "most", "expected"), [((20, 30), 15, (10, 15)), ((31, 7), 10, (10, 2)), ((999, 1), 3, (3, 1))]
)
def test_a_long_side_is_reduced_and_the_aspect_ratio_kept(
    size: tuple[int, int], most: int, expected: tuple[int, int]
) -> None:
    pixels = picture(*size)
    small = native.fitted(pixels, most)
    assert small.shape == (*expected, 3)
    assert np.array_equal(small, np.array(Image.fromarray(pixels).resize(expected[::-1], Image.Resampling.BICUBIC)))


def test_protocols_are_named_natively() -> None:
    assert native.longest("native") is None
    assert native.longest("native:384") == 384
    assert native.is_native("native:384")
    assert not native.is_native("ldm")
    for name in ("ldm", "native", "native:1"):
        native.check(name)


@pytest.mark.parametrize("text", ["native:", "native:0", "native:x", "native:-3"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="written native, or native:N"):
        native.check(text)


def test_an_unknown_protocol_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="Did you mean 'native'"):
        native.check("nativ")
