"""The encoder: residual blocks and strided convolutions down to the key codes' size, with leaky ReLUs."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from methods.autoencoder.blocks import Downsample
from methods.brics.modulation import full_precision, run
from methods.brics.presets import EncoderSettings

GROUPS = 32


def _norm(channels: int, group_width: int) -> nn.GroupNorm:
    """32 groups, or as many as have ``group_width`` channels each; epsilon 1e-6."""
    return nn.GroupNorm(min(GROUPS, max(1, channels // group_width)), channels, eps=1e-6)


class ResidualBlock(nn.Module):
    """Norm, leaky ReLU, 3x3 convolution, twice; a 1x1 convolution on the skip where the width changes."""

    def __init__(self, inputs: int, outputs: int, settings: EncoderSettings) -> None:
        super().__init__()
        self.slope = settings.slope
        self.norm1 = _norm(inputs, settings.group_width)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = _norm(outputs, settings.group_width)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.leaky_relu(self.norm1(x), self.slope))
        return self.skip(x) + self.conv2(F.leaky_relu(self.norm2(h), self.slope))


class Attention(nn.Module):
    """Single-head self-attention over all positions, with a residual connection."""

    def __init__(self, channels: int, settings: EncoderSettings) -> None:
        super().__init__()
        self.norm = _norm(channels, settings.group_width)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, 3, 1, c, h * w).transpose(-1, -2).unbind(1)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(mixed.transpose(-1, -2).reshape(n, c, h, w))


class Encoder(nn.Module):
    """Images float ``[N, 3, S, S]`` in [-1, 1] to ``outputs`` channels of unbounded codes ``[N, outputs, s, s]``.

    Level i has ``min(width * 2^(i+1), widest)`` channels. ``side`` is the image's side and ``code_side`` the codes';
    their ratio is a power of two. The last convolution runs in float32: its output becomes a position in a grid.
    """

    def __init__(
        self, settings: EncoderSettings, side: int, code_side: int, outputs: int, checkpointing: bool = False
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.unshuffle = nn.PixelUnshuffle(settings.patch)
        side //= settings.patch
        channels = min(settings.width, settings.widest)
        layers: list[nn.Module] = [nn.Conv2d(3 * settings.patch**2, channels, 3, padding=1)]
        while True:
            wider = min(2 * channels, settings.widest)
            for number in range(settings.blocks):
                layers.append(ResidualBlock(channels if number == 0 else wider, wider, settings))
                if side in settings.attention:
                    layers.append(Attention(wider, settings))
            channels = wider
            if side <= code_side:
                break
            layers.append(Downsample(channels))
            side //= 2
        self.layers = nn.Sequential(*layers)
        self.slope = settings.slope
        self.norm = _norm(channels, settings.group_width)
        self.head = nn.Conv2d(channels, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        h = self.unshuffle(images)
        for layer in self.layers:
            h = run(layer, h, checkpointing=self.checkpointing and self.training)
        h = self.norm(h)
        with full_precision(h.device):
            return self.head(F.leaky_relu(h.float(), self.slope))
