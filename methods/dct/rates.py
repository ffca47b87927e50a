"""Further rates of DCT codes: their entropy under training-set statistics, and a real JPEG of the same quality."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image
from torch import Tensor

from bench.contract import Build, Codes, Sparse
from bench.errors import UsageError
from methods.dct.presets import Settings
from methods.dct.statistics import ChannelStatistics


class DctRates:
    """``entropy``: :class:`ChannelStatistics`, where there were training images; ``jpeg-file``: Pillow's file at the
    same quality, for blocks of 8.
    """

    def __init__(self, settings: Settings, build: Build) -> None:
        self._settings = settings
        self._statistics = ChannelStatistics(settings)

    def update(self, images: Tensor, codes: Codes) -> None:
        """Adds the codes of training images."""
        self._statistics.update(_sparse(codes))

    def bits(self, images: Tensor, codes: Codes) -> Mapping[str, np.ndarray]:
        """Bits of each image by rate, float64 ``[N]``; ``images`` uint8 ``[N, 3, H, W]`` are those of the codes."""
        rates = {"entropy": self._statistics.bits(_sparse(codes))} if self._statistics.images else {}
        if self._settings.block == 8:
            rates["jpeg-file"] = np.array([self._jpeg(pixels) for pixels in images.permute(0, 2, 3, 1).cpu().numpy()])
        return rates

    def _jpeg(self, pixels: np.ndarray) -> float:
        buffer = io.BytesIO()
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        picture.save(buffer, format="JPEG", quality=self._settings.q, subsampling="4:2:0")
        return 8.0 * len(buffer.getvalue())


def _sparse(codes: Codes) -> Sparse:
    if not isinstance(codes, Sparse):
        raise UsageError(f"DCT's rates are of lists of coefficients, not {type(codes).__name__}.")
    return codes
