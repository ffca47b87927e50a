"""The decoder: StyleGAN2's synthesis network with RGB skips, started from retrieved features (arXiv 1912.04958)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.brics.modulation import GAIN, SLOPE, ModulatedConv, bounded, run, upsampled


class Layer(nn.Module):
    """Modulated 3x3 convolution, per-pixel noise of learnt strength, bias, leaky ReLU; clamped to [-256, 256]."""

    def __init__(self, inputs: int, outputs: int, style: int, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, style, up=up)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        offset = self.bias if noise is None else self.bias + noise * self.strength
        return bounded(F.leaky_relu(self.conv(x, style, offset, GAIN), SLOPE, inplace=True))


class Block(nn.Module):
    """One resolution: an upsampling layer (except in the first block), further layers, and the RGB output."""

    def __init__(self, inputs: int, outputs: int, rgb: int, layers: int, style: int, up: bool) -> None:
        super().__init__()
        first = [Layer(inputs, outputs, style, up=True)] if up else []
        width = outputs if up else inputs
        self.layers = nn.ModuleList(
            first + [Layer(width if n == 0 else outputs, outputs, style) for n in range(layers)]
        )
        self.rgb = ModulatedConv(outputs, rgb, 1, style, demodulate=False)
        self.rgb_bias = nn.Parameter(torch.zeros(1, rgb, 1, 1))

    def forward(
        self, x: Tensor, image: Tensor | None, style: Tensor, noise: Sequence[Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        for layer, grain in zip(self.layers, noise, strict=True):
            x = layer(x, style, grain)
        rgb = bounded(self.rgb(x, style, self.rgb_bias)).float()
        return x, rgb if image is None else upsampled(image) + rgb


class Synthesis(nn.Module):
    """Features ``[N, C, side, side]`` and style ``[N, C]`` to images float32 ``[N, 3, S, S]``, about [-1, 1].

    The width halves from block to block. With ``patch`` > 1 the last block stands at 1/patch of the image's side and
    its RGB output is rearranged by pixel shuffle.
    """

    def __init__(
        self, channels: int, side: int, image_side: int, layers: int, patch: int, checkpointing: bool = False
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.sides: list[int] = []
        self.counts: list[int] = []
        blocks: list[Block] = []
        inputs = channels
        while side * patch <= image_side:
            outputs = inputs if not blocks else inputs // 2
            block = Block(inputs, outputs, 3 * patch**2, layers, channels, up=bool(blocks))
            blocks.append(block)
            self.counts.append(len(block.layers))
            self.sides += [side] * len(block.layers)
            inputs, side = outputs, side * 2
        self.blocks = nn.ModuleList(blocks)
        self.shuffle = nn.PixelShuffle(patch)

    @property
    def noise_size(self) -> int:
        """How many noise values one image takes."""
        return sum(side**2 for side in self.sides)

    def forward(self, features: Tensor, style: Tensor, noise: Tensor | None = None) -> Tensor:
        """``noise`` is standard normal ``[N, noise_size]``, or None for none."""
        grains = iter(self._grains(noise))
        x, image = features, None
        for block, count in zip(self.blocks, self.counts, strict=True):
            inputs = (x, image, style, list(islice(grains, count)))
            x, image = run(block, *inputs, checkpointing=self.checkpointing and self.training)
        return self.shuffle(image)

    def _grains(self, noise: Tensor | None) -> list[Tensor | None]:
        if noise is None:
            return [None] * len(self.sides)
        pieces = noise.split([side**2 for side in self.sides], dim=1)
        return [p.reshape(-1, 1, side, side) for p, side in zip(pieces, self.sides, strict=True)]
