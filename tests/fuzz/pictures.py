"""Images of every format that is read."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests import sources

PLAIN = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF", "TGA", "PCX")


def _deep_png() -> bytes:
    from skimage import io as sk_io

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 65535, (20, 24), np.uint16)).save(buffer, "PNG")
    assert sk_io is not None
    return buffer.getvalue()


def _deep_tiff() -> bytes:
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.random.default_rng(0).integers(0, 65535, (20, 24, 3), np.uint16), photometric="rgb")
    return buffer.getvalue()


def _palette() -> bytes:
    buffer = io.BytesIO()
    sources.picture(0).convert("P").save(buffer, "PNG", transparency=3)
    return buffer.getvalue()


SEEDS: dict[str, Callable[[], bytes]] = {
    **{kind: (lambda kind=kind: sources.encoded(0, kind)) for kind in PLAIN},
    "PNG palette": _palette,
    "PNG 16-bit": _deep_png,
    "TIFF 16-bit": _deep_tiff,
}


def seed(kind: str) -> Callable[[Path], dict[str, bytes]]:
    """Makes a whole file of a kind."""
    return lambda scratch: {"a": SEEDS[kind]()}


def read(folder: Path) -> str:
    """Its pixels."""
    from bench.core import images

    data = (folder / "a").read_bytes()
    pixels = images.decode(data, "a").pixels
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert images.pixels_of(data) in (0, pixels.shape[0] * pixels.shape[1])
    return sources.hashlib.sha256(pixels.tobytes()).hexdigest()
