"""The codecs' entries and settings. No torch and no Pillow at import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.contract import MethodEntry
from bench.errors import UsageError


@dataclass(frozen=True)
class JpegSettings:
    """``q`` 1..100 scales the quantisation tables. ``optimize`` fits the Huffman tables to each image."""

    q: int = 75
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] = "4:2:0"
    optimize: bool = False
    progressive: bool = False

    def __post_init__(self) -> None:
        _within("jpeg", "q", self.q, 1, 100)


@dataclass(frozen=True)
class WebpSettings:
    """``q`` 0..100 is the quality (for ``lossless`` the effort); ``method`` 0..6 trades time for size."""

    q: int = 80
    lossless: bool = False
    method: int = 4

    def __post_init__(self) -> None:
        _within("webp", "q", self.q, 0, 100)
        _within("webp", "method", self.method, 0, 6)


@dataclass(frozen=True)
class AvifSettings:
    """``q`` 0..100 is the quality; ``speed`` 0..10, slower is smaller."""

    q: int = 75
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] = "4:2:0"
    speed: int = 6

    def __post_init__(self) -> None:
        _within("avif", "q", self.q, 0, 100)
        _within("avif", "speed", self.speed, 0, 10)


@dataclass(frozen=True)
class Jpeg2000Settings:
    """``q`` is the PSNR in decibels that the encoder aims at; ``irreversible`` takes the 9/7 wavelet, not the 5/3."""

    q: float = 32.0
    irreversible: bool = True

    def __post_init__(self) -> None:
        _within("jpeg2000", "q", self.q, 1, 100)


def _within(codec: str, option: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UsageError(f"{codec}:{option}={value} is outside {low}..{high}.")


def _built(codec: str, feature: str) -> None:
    """Raises :class:`UsageError` where this build of Pillow cannot write the format: before anything is spent."""
    from PIL import features

    if not features.check(feature):
        raise UsageError(f"'{codec}': this build of Pillow has no {codec}; install a Pillow wheel from the index.")


def jpeg_settings(preset: str, variant: str | None) -> JpegSettings:
    """The same at every preset: Pillow's defaults."""
    return JpegSettings()


def webp_settings(preset: str, variant: str | None) -> WebpSettings:
    """The same at every preset: Pillow's defaults."""
    _built("webp", "webp")
    return WebpSettings()


def avif_settings(preset: str, variant: str | None) -> AvifSettings:
    """The same at every preset: Pillow's defaults."""
    _built("avif", "avif")
    return AvifSettings()


def jpeg2000_settings(preset: str, variant: str | None) -> Jpeg2000Settings:
    """The same at every preset."""
    _built("jpeg2000", "jpg_2000")
    return Jpeg2000Settings()


JPEG = MethodEntry(
    name="jpeg",
    title="JPEG",
    summary="JPEG at quality q (jpeg:q=50, a sweep jpeg:q=5..95), whole files counted",
    code="methods.codecs.model:jpeg",
    settings=jpeg_settings,
    source="methods.codecs",
)
WEBP = MethodEntry(
    name="webp",
    title="WebP",
    summary="WebP at quality q (webp:q=50)",
    code="methods.codecs.model:webp",
    settings=webp_settings,
    source="methods.codecs",
)
AVIF = MethodEntry(
    name="avif",
    title="AVIF",
    summary="AVIF at quality q (avif:q=50), where Pillow was built with it",
    code="methods.codecs.model:avif",
    settings=avif_settings,
    source="methods.codecs",
)
JPEG2000 = MethodEntry(
    name="jpeg2000",
    title="JPEG 2000",
    summary="JPEG 2000 at a target PSNR of q decibels (jpeg2000:q=32), where Pillow was built with it",
    code="methods.codecs.model:jpeg2000",
    settings=jpeg2000_settings,
    source="methods.codecs",
)
