"""The convolutional network of Open-MAGVIT2 (Luo et al. 2024), which SimVQ (Zhu et al. 2024) shares; official keys.

Residual convolutions without bias, strided convolutions down, depth-to-space up, no attention. Open-MAGVIT2's decoder
normalises each level with statistics of the quantised code; SimVQ's does not.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from methods.autoencoder.magvit_settings import MagvitSettings

GROUPS, EPSILON = 32, 1e-6


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, channels, eps=EPSILON)


class ResBlock(nn.Module):
    """Two 3x3 convolutions, each after GroupNorm and SiLU, and a skip: ``[N, I, H, W] -> [N, O, H, W]``; no bias."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = _norm(inputs), _norm(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.nin_shortcut = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.nin_shortcut is None else self.nin_shortcut(x))


def _blocks(inputs: int, outputs: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(ResBlock(inputs if i == 0 else outputs, outputs) for i in range(count))


class Level(nn.Module):
    """The blocks of one resolution; ``downsample``, a strided convolution, or ``upsample`` ends it."""

    def __init__(self, inputs: int, outputs: int, count: int) -> None:
        super().__init__()
        self.block = _blocks(inputs, outputs, count)
        self.downsample: nn.Conv2d | None = None
        self.upsample: DepthToSpace | None = None

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        if self.downsample is not None:
            x = self.downsample(x)
        return x if self.upsample is None else self.upsample(x)


class DepthToSpace(nn.Module):
    """A 3x3 convolution to 4C channels, which become 2x2 pixels: ``[N, C, H, W] -> [N, C, 2H, 2W]``.

    The channels are in the order (row, column, channel), not that of ``pixel_shuffle``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 4 * channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        n, c, height, width = x.shape
        pixels = self.conv1(x).reshape(n, 2, 2, c, height, width)
        return pixels.permute(0, 3, 4, 1, 5, 2).reshape(n, c, 2 * height, 2 * width)


class AdaptiveNorm(nn.Module):
    """GroupNorm without weights, scaled and shifted by statistics of the code: ``[N, C, H, W], [N, Z, G, G]``.

    The scale is linear in each channel's standard deviation over all cells (unbiased), the shift in its mean: every
    pixel depends on the whole grid.
    """

    def __init__(self, channels: int, z_channels: int) -> None:
        super().__init__()
        self.gamma = nn.Linear(z_channels, channels)
        self.beta = nn.Linear(z_channels, channels)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        cells = code.flatten(2)
        gamma = self.gamma((cells.var(2) + EPSILON).sqrt())[:, :, None, None]
        beta = self.beta(cells.mean(2))[:, :, None, None]
        return gamma * F.group_norm(x, GROUPS, eps=EPSILON) + beta


class Encoder(nn.Module):
    """Images ``[N, 3, H, W]`` in [-1, 1] to latents ``[N, z_channels, H / stride, W / stride]``."""

    def __init__(self, settings: MagvitSettings) -> None:
        super().__init__()
        widths, count = settings.widths, settings.num_res_blocks
        self.conv_in = nn.Conv2d(3, settings.ch, 3, padding=1, bias=False)
        self.down = nn.ModuleList()
        for i, width in enumerate(widths):
            level = Level(widths[i - 1] if i else settings.ch, width, count)
            if i < len(widths) - 1:
                level.downsample = nn.Conv2d(width, width, 3, stride=2, padding=1)
            self.down.append(level)
        self.mid_block = _blocks(widths[-1], widths[-1], count)
        self.norm_out = _norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], settings.z_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_in(x)
        for part in (*self.down, *self.mid_block):
            h = part(h)
        return self.conv_out(F.silu(self.norm_out(h)))


class Decoder(nn.Module):
    """Codes as vectors ``[N, z_channels, h, w]`` to images, nominally in [-1, 1], not clamped."""

    def __init__(self, settings: MagvitSettings) -> None:
        super().__init__()
        widths, count = settings.widths, settings.num_res_blocks
        entering = [*widths[1:], widths[-1]]
        self.conv_in = nn.Conv2d(settings.z_channels, widths[-1], 3, padding=1)
        self.mid_block = _blocks(widths[-1], widths[-1], count)
        self.up = nn.ModuleList()
        for i, width in enumerate(widths):
            level = Level(entering[i], width, count)
            if i > 0:
                level.upsample = DepthToSpace(width)
            self.up.append(level)
        self.adaptive: nn.ModuleList | None = None
        if settings.adaptive:
            self.adaptive = nn.ModuleList(AdaptiveNorm(width, settings.z_channels) for width in entering)
        self.norm_out = _norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, code: Tensor) -> Tensor:
        h = self.conv_in(code)
        for block in self.mid_block:
            h = block(h)
        for i in reversed(range(len(self.up))):
            h = self.up[i](h if self.adaptive is None else self.adaptive[i](h, code))
        return self.conv_out(F.silu(self.norm_out(h)))
