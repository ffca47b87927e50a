"""16-bit colour, which Pillow would cut to its high bytes, by the rule for 16-bit grey: scaled and rounded."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
from PIL import Image, ImageFile

_LOW_BYTES = {
    **{f"{mode};16{order}": f"{mode};16{other}" for mode in ("RGB", "RGBA", "RGBX") for order, other in ("BL", "LB")},
    **{f"{mode};16N": f"{mode};16{'B' if sys.byteorder == 'little' else 'L'}" for mode in ("RGB", "RGBA", "RGBX")},
    "LA;16B": "RGBA",
}
"""Pillow keeps the high byte of 16-bit colour; by raw mode, the one under which it keeps the low byte instead.

"LA;16B" read as "RGBA" gives the four bytes of a pixel: grey high, grey low, alpha high, alpha low.
"""


def read(image: ImageFile.ImageFile, data: bytes) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """Colour of 16 bits to uint8 ``[H, W, 3]`` by the rule for grey, and its notes; None for any other image.

    Raises ValueError for 16-bit colour whose low bytes Pillow does not give: to cut them off would be another rule.
    """
    mode = _raw_mode(image)
    if mode[-4:-1] != ";16" or image.mode.startswith("I"):
        _refuse_deep_jpeg2000(image, data)
        return None
    if mode not in _LOW_BYTES:
        raise ValueError(f"16-bit colour of the kind {mode} is not read; save it as an RGB PNG")
    with Image.open(io.BytesIO(data), formats=(str(image.format),)) as other:
        other.tile = [tile._replace(args=_with_raw_mode(tile.args, _LOW_BYTES[mode])) for tile in other.tile]
        high, low = np.array(image)[:, :, :3], np.array(other)
    low = low[:, :, 1:2] if mode.startswith("LA") else low[:, :, :3]
    notes = ("16-bit", *(("grey",) if mode.startswith("LA") else ()), *(("alpha",) if "A" in mode else ()))
    return rounded(high.astype(np.uint32) * 256 + low), notes


def _raw_mode(image: ImageFile.ImageFile) -> str:
    arguments = image.tile[0].args if image.tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _with_raw_mode(arguments: Any, mode: str) -> Any:
    return (mode, *arguments[1:]) if isinstance(arguments, tuple) else mode


def _refuse_deep_jpeg2000(image: ImageFile.ImageFile, data: bytes) -> None:
    """Raises ValueError for JPEG 2000 colour of more than 8 bits, which Pillow shifts instead of scaling."""
    start = data.find(b"\xff\x4f\xff\x51") if image.format == "JPEG2000" else -1
    depth = (data[start + 42] & 0x7F) + 1 if 0 <= start < len(data) - 42 else 8
    if depth > 8 and not image.mode.startswith("I"):
        raise ValueError(f"colour of {depth} bits in JPEG 2000 is not read; save it as a 16-bit PNG")


def rounded(values: np.ndarray) -> np.ndarray:
    """Samples of 0 to 65535 to uint8: value * 255 / 65535, rounded to nearest (a tie cannot occur)."""
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
