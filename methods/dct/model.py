"""The tokenizer: images to sparse quantised coefficients and back, without training and without parameters."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.contract import Build, Codes, Seeds, Sparse
from bench.core import digest
from bench.errors import UsageError
from methods.dct import transform
from methods.dct.layout import Layout, to_dense, to_sparse
from methods.dct.presets import Settings

DEFINITION = 1
"""Raise it when the same image would give other codes."""


class DctTokenizer:
    """Nash et al. 2021, section 3: YCbCr, halved chroma, block DCT, quality-scaled quantisation, non-zeros only."""

    def __init__(self, settings: Settings, device: torch.device) -> None:
        self.settings = settings
        self._device = torch.device("cpu") if device.type == "mps" else device  # MPS has no float64
        self._matrix = transform.dct_matrix(settings.block).to(self._device)

    @property
    def revision(self) -> str:
        """Digest of the definition and of the settings that codes depend on."""
        return digest.of_value([DEFINITION, self.settings.q, self.settings.block, self.settings.order])

    def encode(self, images: Tensor) -> Sparse:
        """uint8 ``[N, 3, H, W]`` of any size to triples sorted by channel, then position."""
        height, width = images.shape[2:]
        layout = Layout(self.settings, (height, width))
        return to_sparse(self.quantise(images.to(self._device, torch.float64), layout), layout)

    def quantise(self, rgb: Tensor, layout: Layout) -> Tensor:
        """RGB in 0..255, float64 ``[N, 3, H, W]``, to quantised coefficients int32 ``[N, channels, positions]``."""
        planes = transform.to_ycbcr(rgb)
        below, right = (p - s for p, s in zip(layout.padded, layout.size, strict=True))
        planes = F.pad(planes, (0, right, 0, below), mode="replicate")
        luma = self._levels(planes[:, :1], layout.steps[:1])
        chroma = self._levels(transform.halve(planes[:, 1:]), layout.steps[1:])
        by_plane = luma.new_zeros(len(rgb), 3, layout.frequencies, layout.shape[1])
        by_plane[:, :1] = luma
        by_plane[:, 1:, :, layout.chroma_positions.to(luma.device)] = chroma
        return layout.to_channels(by_plane)

    def _levels(self, planes: Tensor, steps: Tensor) -> Tensor:
        """Planes to quantised levels in zigzag order, int32 ``[N, K, frequencies, blocks]``."""
        blocks = transform.block_dct(planes, self._matrix).flatten(4).flatten(2, 3)
        ordered = blocks[..., transform.zigzag(self.settings.block)].transpose(2, 3)
        return transform.round_half_away(ordered / steps.to(planes.device)[:, :, None]).int()

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Triples in any order to float32 ``[N, 3, H, W]`` in [0, 1]; there is no noise to turn on."""
        if not isinstance(codes, Sparse):
            raise UsageError(f"DCT decodes lists of coefficients, not {type(codes).__name__}.")
        layout = Layout(self.settings, codes.size)
        if codes.shape != layout.shape:
            raise UsageError(
                f"These codes have vocabularies {codes.shape}; dct:q={self.settings.q} has {layout.shape}."
            )
        rgb = self.dequantise(to_dense(codes, layout, self._device), layout)
        return (rgb / 255).clamp(0, 1).float()

    def dequantise(self, dense: Tensor, layout: Layout) -> Tensor:
        """The inverse of :meth:`quantise`, not clamped."""
        by_plane = layout.to_planes(dense)
        luma = self._plane(by_plane[:, :1], layout.steps[:1], layout.grid)
        half = (layout.grid[0] // 2, layout.grid[1] // 2)
        chroma = by_plane[:, 1:, :, layout.chroma_positions.to(dense.device)]
        planes = torch.cat([luma, transform.double(self._plane(chroma, layout.steps[1:], half))], dim=1)
        return transform.to_rgb(planes[:, :, : layout.size[0], : layout.size[1]])

    def _plane(self, levels: Tensor, steps: Tensor, grid: tuple[int, int]) -> Tensor:
        """Quantised levels in zigzag order to planes of ``grid`` blocks."""
        block = self.settings.block
        ordered = (levels * steps.to(levels.device)[:, :, None]).transpose(2, 3)
        raster = torch.argsort(torch.tensor(transform.zigzag(block), device=levels.device))
        blocks = ordered[..., raster].unflatten(3, (block, block)).unflatten(2, grid)
        return transform.block_idct(blocks, self._matrix)


def tokenizer(settings: Settings, build: Build) -> DctTokenizer:
    """The tokenizer of these settings."""
    return DctTokenizer(settings, build.device)
