"""The data protocols that crop nothing: ``native``, and ``native:N`` for a long side of at most N pixels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.core import registry
from bench.core.images import PROTOCOLS, resize
from bench.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

NATIVE = "native"
_FORM = re.compile(r"native(?::([1-9][0-9]{0,5}))?")


def is_native(protocol: str) -> bool:
    """Whether a data protocol leaves images their own height and width."""
    return protocol.partition(":")[0] == NATIVE


def check(protocol: str) -> None:
    """Raises :class:`UsageError` for what names no data protocol."""
    if is_native(protocol):
        longest(protocol)
    else:
        registry.lookup({**PROTOCOLS, NATIVE: fitted}, protocol, "data protocol")


def longest(protocol: str) -> int | None:
    """The N of ``native:N``, None for ``native`` alone; raises :class:`UsageError` for another form."""
    found = _FORM.fullmatch(protocol)
    if found is None:
        raise UsageError(f"The data protocol '{protocol}' is written native, or native:N for a long side of N pixels.")
    return None if found[1] is None else int(found[1])


def fitted(pixels: np.ndarray, most: int | None) -> np.ndarray:
    """uint8 ``[H, W, 3]`` with a long side of at most ``most`` pixels, its aspect ratio kept to the nearest pixel.

    Reduced by Pillow's antialiased bicubic filter; an image that is small enough is left as it is, none is enlarged.
    """
    height, width = pixels.shape[:2]
    long = max(height, width)
    if most is None or long <= most:
        return pixels
    return resize(pixels, (max(round(height * most / long), 1), max(round(width * most / long), 1)), "bicubic")
