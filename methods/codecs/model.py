"""A codec as a tokenizer: its codes are finished files in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image, features
from torch import Tensor

from bench.contract import Build, Codes, Seeds, Stream
from bench.core import digest, images
from bench.errors import UsageError
from methods.codecs import AvifSettings, Jpeg2000Settings, JpegSettings, WebpSettings, headers

JPEG2000_LEVELS = 6
"""Resolutions of a JPEG 2000 file (Pillow's default); a small image has fewer."""


@dataclass(frozen=True)
class Format:
    """What Pillow must be told to write a file, and how to divide it.

    ``options(height, width)`` are the writer's arguments, ``header_bits(data)`` as in :mod:`methods.codecs.headers`;
    ``feature`` is what Pillow calls the library, ``largest_side`` the format's limit.
    """

    name: str
    feature: str
    largest_side: int
    options: Callable[[int, int], Mapping[str, Any]]
    header_bits: Callable[[bytes], int]


class FileCodec:
    """Writes each image to a file and reads it back. Everything runs on the CPU, one image after the other."""

    def __init__(self, file_format: Format, settings: object, device: torch.device) -> None:
        if not features.check(file_format.feature):
            raise UsageError(f"This build of Pillow has no {file_format.name}; install a Pillow wheel from the index.")
        self._format = file_format
        self._device = device
        libraries = [PIL.__version__, features.version(file_format.feature)]
        self._revision = digest.of_value([file_format.name, settings, libraries])

    @property
    def revision(self) -> str:
        """Digest of the settings and of the versions of Pillow and of the codec's library."""
        return self._revision

    def encode(self, images: Tensor) -> Stream:
        """One file per image. Raises :class:`UsageError` for images larger than the format allows."""
        height, width = images.shape[2:]
        if max(height, width) > self._format.largest_side:
            raise UsageError(
                f"{self._format.name} images have at most {self._format.largest_side} pixels a side, "
                f"not {height} x {width}."
            )
        options = self._format.options(height, width)
        data = tuple(self._write(pixels, options) for pixels in images.permute(0, 2, 3, 1).cpu().numpy())
        return Stream(data, tuple(self._format.header_bits(d) for d in data), (height, width))

    def _write(self, pixels: np.ndarray, options: Mapping[str, Any]) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format=self._format.name, **options)
        return buffer.getvalue()

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """The files' pixels, exactly as their decoder gives them; there is no noise to turn on."""
        if not isinstance(codes, Stream):
            raise UsageError(f"{self._format.name} decodes files, not {type(codes).__name__}.")
        pixels = [images.decode(data, f"{self._format.name} file {i}").pixels for i, data in enumerate(codes.data)]
        stacked = np.stack(pixels) if pixels else np.empty((0, *codes.size, 3), np.uint8)
        return images.to_unit(torch.from_numpy(stacked).permute(0, 3, 1, 2)).to(self._device)


def jpeg(settings: JpegSettings, build: Build) -> FileCodec:
    """JPEG through libjpeg-turbo."""
    options = {
        "quality": settings.q,
        "subsampling": settings.subsampling,
        "optimize": settings.optimize,
        "progressive": settings.progressive,
    }
    fitted = settings.optimize or settings.progressive  # libjpeg fits the tables of progressive files always
    return FileCodec(
        Format("JPEG", "jpg", 65_500, lambda height, width: options, lambda data: headers.jpeg(data, fitted)),
        settings,
        build.device,
    )


def webp(settings: WebpSettings, build: Build) -> FileCodec:
    """WebP through libwebp."""
    options = {"quality": settings.q, "lossless": settings.lossless, "method": settings.method}
    return FileCodec(
        Format("WEBP", "webp", 16_383, lambda height, width: options, headers.webp), settings, build.device
    )


def avif(settings: AvifSettings, build: Build) -> FileCodec:
    """AVIF through libavif; one thread, so that the file does not depend on the machine."""
    options = {
        "quality": settings.q,
        "subsampling": settings.subsampling,
        "speed": settings.speed,
        "max_threads": 1,
    }
    return FileCodec(
        Format("AVIF", "avif", 65_536, lambda height, width: options, headers.avif), settings, build.device
    )


def jpeg2000(settings: Jpeg2000Settings, build: Build) -> FileCodec:
    """JPEG 2000 through OpenJPEG, as a raw codestream."""

    def options(height: int, width: int) -> Mapping[str, Any]:
        return {
            "quality_mode": "dB",
            "quality_layers": [settings.q],
            "irreversible": settings.irreversible,
            "num_resolutions": min(JPEG2000_LEVELS, min(height, width).bit_length()),
            "no_jp2": True,
        }

    return FileCodec(Format("JPEG2000", "jpg_2000", 65_535, options, headers.jpeg2000), settings, build.device)
