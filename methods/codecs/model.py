"""A codec as a tokenizer: its codes are finished files in memory."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench.contract import Build, Codes, Seeds, Stream
from bench.core import digest, images
from bench.errors import UsageError
from methods.codecs.formats import Format, check_built, library


class FileCodec:
    """Writes each image to a file and reads it back. Everything runs on the CPU, one image after the other."""

    def __init__(self, settings: Format, build: Build) -> None:
        check_built(type(settings))
        self._format = settings
        self._device = build.device
        self._library = library(settings.feature)
        self._revision = digest.of_value([settings.name, settings, self._library])

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
        options = self._format.writer(height, width)
        data = tuple(self._write(pixels, options) for pixels in images.permute(0, 2, 3, 1).cpu().numpy())
        return Stream(data, tuple(self._format.header_bits(d) for d in data), (height, width), self._library)

    def _write(self, pixels: np.ndarray, options: Mapping[str, object]) -> bytes:
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
