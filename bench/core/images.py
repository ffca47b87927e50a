"""The one pixel boundary: files to uint8 RGB, crop and resize by named protocol, floats to uint8.

Every image of the harness passes through this file: decoding and preparation when a dataset is frozen, the one
rounding function (:func:`to_uint8`) when a tokenizer or a prior has decoded. No torch at import.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from bench.core import deep_colour
from bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from torch import Tensor


class ImageArray(Protocol):
    """Frozen images, memory-mapped."""

    @property
    def digest(self) -> str:
        """SHA-256 over the pixels of all images in order."""

    @property
    def pixels(self) -> np.ndarray:
        """uint8 ``[N, 3, H, W]``."""

    @property
    def labels(self) -> np.ndarray | None:
        """int64 ``[N]``, or None for a set without classes."""

    def __len__(self) -> int: ...


EXTENSIONS = frozenset(
    (
        *(".jpg", ".jpeg", ".jfif", ".jpe", ".mpo", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c", ".avif", ".avifs"),
        *(".tga", ".qoi", ".pcx"),
    )
)
"""What counts as an image in a folder or an archive, compared in lower case: Pillow's names of the formats read here.

What else lies beside them is counted by its ending and said (:attr:`bench.data.readers.files.Members.left_out`).
"""

LARGEST_PIXELS = 1 << 27
"""An image of more pixels (134 million) is refused before it is decoded: a decompression bomb or a mistake."""

LARGEST_RATIO, SMALLEST_BOMB = 1000, 1 << 24
"""An image of more than 16.8 million pixels is refused, too, where they take this many times the bytes of its file."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF", "TGA", "QOI", "PCX")
_ORIENTATION = 0x0112
_DECODING_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    RuntimeError,
    MemoryError,
    AssertionError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What Pillow's readers raise for damaged files; all of it means that the file cannot be used."""

Filter = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
DataProtocol = Callable[[np.ndarray, int], np.ndarray]


class BadImage(UsageError):
    """An image file that cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class Decoded:
    """A decoded image: ``pixels`` uint8 ``[H, W, 3]`` RGB, ``encoding`` the file's format ("jpeg", "png", ...).

    ``notes`` says what the file was beside 8-bit RGB: "grey", "alpha", "cmyk", "palette", "16-bit", "animated",
    "orientation", "colour-space".
    """

    pixels: np.ndarray
    encoding: str
    notes: tuple[str, ...] = ()


def decode(source: Path | bytes, name: str) -> Decoded:
    """Decodes an image file to 8-bit RGB as the published data pipelines do.

    Grey is repeated, alpha is dropped (not composited), CMYK and palettes are converted by Pillow, 16-bit grey and
    colour are scaled by 255/65535 and rounded, an animation gives its first frame, EXIF orientation is not applied
    (a TIFF's is, by Pillow); each is in ``notes``. ``name`` stands in error messages. Raises :class:`BadImage` for
    what cannot be decoded whole.
    """
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _refuse_size(image, len(data))
            encoding = "jpeg" if image.format == "MPO" else str(image.format).lower()
            notes = _file_notes(image, data)
            deep = deep_colour.read(image, data)
            pixels, mode_notes = deep if deep is not None else _to_rgb(image)
    except _DECODING_ERRORS as error:
        raise BadImage(f"The image {name} cannot be decoded ({_reason(error)}); replace or remove it.") from error
    return Decoded(pixels, encoding, tuple(dict.fromkeys((*mode_notes, *notes))))


def pixels_of(data: bytes) -> int:
    """How many pixels an image file says it has; 0 where it cannot be told, which decoding will say."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return image.width * image.height
    except _DECODING_ERRORS:
        return 0


def skippable(bad: BadImage) -> BadImage:
    """The error with the flag that leaves such images out, for a command that has it."""
    return BadImage(f"{str(bad).rstrip('.')}, or pass --on-bad skip.")


def _refuse_size(image: Image.Image, size: int) -> None:
    """Raises ValueError for an image of ``size`` bytes that would unpack to too many pixels; none is decoded yet."""
    pixels = image.width * image.height
    if pixels > LARGEST_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are more than the limit of {LARGEST_PIXELS}")
    if pixels > SMALLEST_BOMB and 3 * pixels > LARGEST_RATIO * size:
        raise ValueError(f"its {size} bytes unpack to {image.width} x {image.height} pixels, as a bomb does")


def _reason(error: BaseException) -> str:
    """One short line about an error; Pillow's own text may name an in-memory file, which says nothing to a user."""
    if isinstance(error, UnidentifiedImageError):
        return "it is not an image, or not of a format that is read here"
    text = " ".join(str(error).split())
    return text[:160] or type(error).__name__


def _file_notes(image: ImageFile.ImageFile, data: bytes) -> tuple[str, ...]:
    notes = []
    if image.format == "PNG" and data[24:25] == b"\x10":
        notes.append("16-bit")
    if image.format == "PPM" and _ppm_largest(image) > 255:
        notes.append("16-bit")
    if image.format != "MPO" and getattr(image, "is_animated", False):
        notes.append("animated")
    if ("exif" in image.info or image.format == "TIFF") and image.getexif().get(_ORIENTATION, 1) != 1:
        notes.append("orientation")
    return tuple(notes)


def _ppm_largest(image: ImageFile.ImageFile) -> int:
    """The largest sample value that a PPM or PGM file declares; 255 where Pillow reads it as it lies."""
    arguments = image.tile[0].args if image.tile else ()
    return int(arguments[1]) if isinstance(arguments, tuple) and len(arguments) > 1 else 255


def _to_rgb(image: Image.Image) -> tuple[np.ndarray, tuple[str, ...]]:
    """Pixels uint8 ``[H, W, 3]`` of the first frame, and what was converted."""
    mode = image.mode
    if mode == "RGB":
        return np.array(image), ()
    if mode in ("I", "F") or mode.startswith("I;"):
        return _from_deep_grey(np.asarray(image)), ("grey",) if image.format == "PNG" else ("grey", "16-bit")
    if mode in ("1", "L"):
        return np.array(image.convert("RGB")), ("grey",)
    if mode in ("LA", "La"):
        return np.array(image.convert("LA").convert("L").convert("RGB")), ("grey", "alpha")
    if mode in ("P", "PA"):
        notes = ("palette", "alpha") if mode == "PA" or "transparency" in image.info else ("palette",)
        return np.array(image.convert("RGBA").convert("RGB")), notes
    if mode in ("RGBA", "RGBa", "RGBX"):
        return np.array(image.convert("RGB")), ("alpha",)
    return np.array(image.convert("RGB")), ("cmyk",) if mode == "CMYK" else ("colour-space",)


def _from_deep_grey(values: np.ndarray) -> np.ndarray:
    """Grey of up to 16 bits, ``[H, W]``, to uint8 ``[H, W, 3]``, by the rule for all 16-bit samples."""
    if values.dtype.kind == "f" or (values.size and (values.min() < 0 or values.max() > 65535)):
        raise ValueError(f"its {values.dtype} samples are not 8- or 16-bit integers")
    return np.repeat(deep_colour.rounded(values)[:, :, None], 3, axis=2)


# --------------------------------------------------------------------------------------------------------------
# Data protocols: uint8 [H, W, 3] of any size to uint8 [resolution, resolution, 3]


def resize(pixels: np.ndarray, size: tuple[int, int], filter: Filter) -> np.ndarray:  # noqa: A002
    """Pillow's resampling of uint8 ``[H, W, 3]`` to ``size`` = (height, width); antialiased when it reduces."""
    image = Image.fromarray(pixels)
    return np.array(image.resize((size[1], size[0]), Image.Resampling[filter.upper()]))


def _middle(pixels: np.ndarray) -> np.ndarray:
    """The centre square of the short side, its offset rounded down."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def ldm(pixels: np.ndarray, resolution: int) -> np.ndarray:
    """Centre crop of the short side, then Pillow bicubic (Rombach et al. 2022, official LSUN pipeline)."""
    return resize(_middle(pixels), (resolution, resolution), "bicubic")


def stylegan(pixels: np.ndarray, resolution: int) -> np.ndarray:
    """Centre crop of the short side, then a box filter (Karras et al. 2020, dataset_tool with the box filter).

    BRICS resizes with OpenCV's area interpolation, which is the same average up to rounding.
    """
    return resize(_middle(pixels), (resolution, resolution), "box")


def rqvae(pixels: np.ndarray, resolution: int) -> np.ndarray:
    """Short side to ``resolution`` with Pillow bilinear, then centre crop (Lee et al. 2022, official pipeline).

    The long side's length is rounded down and the crop's offset to the nearest even, as torchvision does.
    """
    height, width = pixels.shape[:2]
    short = min(height, width)
    size = (int(resolution * height / short), int(resolution * width / short))
    small = resize(pixels, size, "bilinear")
    top, left = round((size[0] - resolution) / 2), round((size[1] - resolution) / 2)
    return small[top : top + resolution, left : left + resolution]


def adm(pixels: np.ndarray, resolution: int) -> np.ndarray:
    """Halve by box while the short side stays twice too long, bicubic, centre crop (Dhariwal and Nichol 2021)."""
    while min(pixels.shape[:2]) >= 2 * resolution:
        pixels = resize(pixels, (pixels.shape[0] // 2, pixels.shape[1] // 2), "box")
    scale = resolution / min(pixels.shape[:2])
    small = resize(pixels, (round(pixels.shape[0] * scale), round(pixels.shape[1] * scale)), "bicubic")
    top, left = (small.shape[0] - resolution) // 2, (small.shape[1] - resolution) // 2
    return small[top : top + resolution, left : left + resolution]


PROTOCOLS: dict[str, DataProtocol] = {"ldm": ldm, "stylegan": stylegan, "rqvae": rqvae, "adm": adm}
"""The data protocols by name: part of a dataset's digest and of every result's signature."""


# --------------------------------------------------------------------------------------------------------------
# Floats and uint8


def to_uint8(images: Tensor) -> Tensor:
    """Float in [0, 1], any shape, to uint8: clamp, times 255, round half to even. THE rounding function.

    Raises :class:`bench.errors.BenchError` for NaN, which no integer stands for.
    """
    import torch

    if torch.isnan(images).any():
        raise BenchError("The decoded images hold NaN; the network has diverged or its weights are damaged.")
    return images.float().clamp(0, 1).mul(255).round().to(torch.uint8)


def to_unit(images: Tensor) -> Tensor:
    """Uint8 to float32 in [0, 1]."""
    return images.float() / 255


def to_signed(images: Tensor) -> Tensor:
    """Uint8 to float32 in [-1, 1]: the range most published networks take."""
    return images.float() / 127.5 - 1


def from_signed(images: Tensor) -> Tensor:
    """Float in [-1, 1] to float in [0, 1]; not clamped, :func:`to_uint8` does that."""
    return (images + 1) / 2


def square(size: tuple[int, int], what: str) -> int:
    """The side of a square ``size``, (height, width); :class:`UsageError` for a method that takes squares alone."""
    height, width = size
    if height != width:
        raise UsageError(f"{what} takes square images alone, not {width}x{height}; crop them to squares first.")
    return height
