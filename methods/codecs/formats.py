"""The file formats: a class each, with its options and what Pillow must be told. No torch and no Pillow at import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeVar

from bench.errors import UsageError
from methods.codecs import headers

JPEG2000_LEVELS = 6
"""Resolutions of a JPEG 2000 file (Pillow's default); a small image has fewer."""

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]


class Format(Protocol):
    """A frozen dataclass whose fields are the codec's options.

    Pillow calls the format ``name`` and its library ``feature``; ``largest_side`` is the format's limit in pixels.
    """

    name: ClassVar[str]
    feature: ClassVar[str]
    largest_side: ClassVar[int]

    def writer(self, height: int, width: int) -> Mapping[str, object]:
        """The arguments of Pillow's writer for images of that size."""
        ...

    def header_bits(self, data: bytes) -> int:
        """The bits of a file that do not depend on its image, as in :mod:`methods.codecs.headers`."""
        ...


@dataclass(frozen=True)
class JpegSettings:
    """JPEG through libjpeg-turbo.

    ``q`` 1..100 scales the quantisation tables. ``optimize`` fits the Huffman tables to each image.
    """

    q: int = 75
    subsampling: Subsampling = "4:2:0"
    optimize: bool = False
    progressive: bool = False

    name: ClassVar[str] = "JPEG"
    feature: ClassVar[str] = "jpg"
    largest_side: ClassVar[int] = 65_500

    def __post_init__(self) -> None:
        _within("jpeg", "q", self.q, 1, 100)

    def writer(self, height: int, width: int) -> Mapping[str, object]:
        """See :class:`Format`."""
        return {
            "quality": self.q,
            "subsampling": self.subsampling,
            "optimize": self.optimize,
            "progressive": self.progressive,
        }

    def header_bits(self, data: bytes) -> int:
        """See :class:`Format`."""
        # libjpeg fits the tables of progressive files always.
        return headers.jpeg(data, tables_are_fitted=self.optimize or self.progressive)


@dataclass(frozen=True)
class WebpSettings:
    """WebP through libwebp.

    ``q`` 0..100 is the quality (for ``lossless`` the effort); ``method`` 0..6 trades time for size.
    """

    q: int = 80
    lossless: bool = False
    method: int = 4

    name: ClassVar[str] = "WEBP"
    feature: ClassVar[str] = "webp"
    largest_side: ClassVar[int] = 16_383

    def __post_init__(self) -> None:
        _within("webp", "q", self.q, 0, 100)
        _within("webp", "method", self.method, 0, 6)

    def writer(self, height: int, width: int) -> Mapping[str, object]:
        """See :class:`Format`."""
        return {"quality": self.q, "lossless": self.lossless, "method": self.method}

    def header_bits(self, data: bytes) -> int:
        """See :class:`Format`."""
        return headers.webp(data)


@dataclass(frozen=True)
class AvifSettings:
    """AVIF through libavif. ``q`` 0..100 is the quality; ``speed`` 0..10, slower is smaller."""

    q: int = 75
    subsampling: Subsampling = "4:2:0"
    speed: int = 6

    name: ClassVar[str] = "AVIF"
    feature: ClassVar[str] = "avif"
    largest_side: ClassVar[int] = 65_536

    def __post_init__(self) -> None:
        _within("avif", "q", self.q, 0, 100)
        _within("avif", "speed", self.speed, 0, 10)

    def writer(self, height: int, width: int) -> Mapping[str, object]:
        """See :class:`Format`; one thread, so that the file does not depend on the machine."""
        return {"quality": self.q, "subsampling": self.subsampling, "speed": self.speed, "max_threads": 1}

    def header_bits(self, data: bytes) -> int:
        """See :class:`Format`."""
        return headers.avif(data)


@dataclass(frozen=True)
class Jpeg2000Settings:
    """JPEG 2000 through OpenJPEG, as a raw codestream.

    ``q`` is the PSNR in decibels that the encoder aims at; ``irreversible`` takes the 9/7 wavelet, not the 5/3.
    """

    q: float = 32.0
    irreversible: bool = True

    name: ClassVar[str] = "JPEG2000"
    feature: ClassVar[str] = "jpg_2000"
    largest_side: ClassVar[int] = 65_535

    def __post_init__(self) -> None:
        _within("jpeg2000", "q", self.q, 1, 100)

    def writer(self, height: int, width: int) -> Mapping[str, object]:
        """See :class:`Format`."""
        return {
            "quality_mode": "dB",
            "quality_layers": [self.q],
            "irreversible": self.irreversible,
            "num_resolutions": min(JPEG2000_LEVELS, min(height, width).bit_length()),
            "no_jp2": True,
        }

    def header_bits(self, data: bytes) -> int:
        """See :class:`Format`."""
        return headers.jpeg2000(data)


def _within(codec: str, option: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UsageError(f"{codec}:{option}={value} is outside {low}..{high}.")


F = TypeVar("F", bound=Format)


def check_built(codec: type[Format]) -> None:
    """Raises :class:`UsageError` where this build of Pillow cannot write the format."""
    from PIL import features

    if not features.check(codec.feature):
        raise UsageError(f"This build of Pillow has no {codec.name}; install a Pillow wheel from the index.")


LIBRARIES = {"jpg": "libjpeg", "webp": "libwebp", "avif": "libavif", "jpg_2000": "OpenJPEG"}


def library(feature: str) -> str:
    """The library behind one of Pillow's features and Pillow, with their versions: both decide the bytes of a file.

    libjpeg-turbo is told from IJG's libjpeg: at one quality their files differ by a tenth of a decibel.
    """
    import PIL
    from PIL import features

    turbo = features.version("libjpeg_turbo") if feature == "jpg" else None
    name = f"libjpeg-turbo {turbo}" if turbo else f"{LIBRARIES[feature]} {features.version(feature)}"
    return f"{name}, Pillow {PIL.__version__}"


def _defaults(codec: type[F]) -> Callable[[str, str | None], F]:
    """What a method's row calls settings: the same at every preset, refused before anything is spent."""

    def settings(preset: str, variant: str | None) -> F:
        check_built(codec)
        return codec()

    return settings


jpeg, webp = _defaults(JpegSettings), _defaults(WebpSettings)
avif, jpeg2000 = _defaults(AvifSettings), _defaults(Jpeg2000Settings)
