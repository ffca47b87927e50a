"""The reduced image as codes: three values of 8 bits a cell."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.contract import Build, Codes, Indices, Part, Seeds
from bench.core.digest import of_value
from bench.core.images import square, to_uint8, to_unit
from bench.errors import BenchError
from methods.downsample import Settings


class Downsample:
    """Images to a grid of uint8 RGB means, and back by bicubic interpolation (a = -0.75).

    An image of the size it was built for has ``grid`` x ``grid`` cells, a larger one more of them. Raises
    :class:`BenchError` for images smaller than the grid.
    """

    def __init__(self, settings: Settings, build: Build) -> None:
        self.grid, self.resolution = settings.grid, square(build.size, "downsample")
        if self.grid > self.resolution:
            raise BenchError(
                f"downsample:{self.grid} has more cells than an image of {self.resolution} pixels; "
                f"choose a grid of at most {self.resolution}."
            )
        self.revision = of_value(["downsample", self.grid, self.resolution])

    def encode(self, images: Tensor) -> Indices:
        """uint8 ``[N, 3, H, W]`` to int64 ``[N, h, w, 3]`` in 0..255: the mean of each cell, rounded."""
        height, width = (side * self.grid // self.resolution for side in images.shape[2:])
        means = F.adaptive_avg_pool2d(to_unit(images), (height, width))
        return Indices(to_uint8(means).permute(0, 2, 3, 1).long(), (256,) * 3, pooled=True)

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Float32 ``[N, 3, H, W]`` in [0, 1]; there is no noise to turn on."""
        assert isinstance(codes, Indices)
        height, width = (cells * self.resolution // self.grid for cells in codes.tensor.shape[1:3])
        return enlarge(codes.tensor.permute(0, 3, 1, 2) / 255, (height, width))


def enlarge(small: Tensor, size: tuple[int, int]) -> Tensor:
    """Bicubic interpolation to (height, width), clamped to [0, 1]."""
    return F.interpolate(small, size, mode="bicubic", align_corners=False).clamp(0, 1)


def parts(settings: Settings, build: Build) -> Sequence[Part]:
    """The two interpolations, on the meta device; there are no parameters."""
    side = square(build.size, "downsample")
    image = torch.empty(1, 3, side, side, device="meta")
    small = torch.empty(1, 3, settings.grid, settings.grid, device="meta")
    return (
        Part("area reduction", "encoder", lambda: F.adaptive_avg_pool2d(image, settings.grid), {}),
        Part("bicubic enlargement", "decoder", lambda: enlarge(small, (side, side)), {}),
    )
