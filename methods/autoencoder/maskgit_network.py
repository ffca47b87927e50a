"""The convolutional network of MaskGIT's tokenizer (Chang et al. 2022), with the key names of its PyTorch ports.

MaskBit and VQGAN+ (Weber et al. 2024) train it anew with convolutions that halve; TiTok's first models decode with it.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from methods.autoencoder.maskgit_settings import MaskGITSettings

GROUPS, EPSILON = 32, 1e-6


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, channels, eps=EPSILON)


class ResBlock(nn.Module):
    """Two 3x3 convolutions, each after GroupNorm and SiLU: ``[N, I, H, W] -> [N, O, H, W]``; no bias.

    Where the width changes, nothing skips the convolutions: a 1x1 convolution of their own result is added to it.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = _norm(inputs), _norm(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.nin_shortcut = nn.Conv2d(outputs, outputs, 1, bias=False) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.nin_shortcut is None else self.nin_shortcut(h))


def _blocks(inputs: int, outputs: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(ResBlock(inputs if i == 0 else outputs, outputs) for i in range(count))


class Down(nn.Module):
    """The blocks of one resolution, then half of it: by ``down_conv``, by the mean of 2x2 pixels, or not at all."""

    def __init__(self, inputs: int, outputs: int, count: int, halve: bool, strided: bool) -> None:
        super().__init__()
        self.block = _blocks(inputs, outputs, count)
        self.halve = halve
        self.down_conv = nn.Conv2d(outputs, outputs, 3, stride=2) if halve and strided else None

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        if self.down_conv is not None:
            # Of an even side, "same" padding is one row of zeros at the bottom and one column at the right.
            return self.down_conv(F.pad(x, (0, 1, 0, 1)))
        return F.avg_pool2d(x, 2) if self.halve else x


class Up(nn.Module):
    """The blocks of one resolution, then nearest-neighbour doubling and ``upsample_conv`` where ``double``."""

    def __init__(self, inputs: int, outputs: int, count: int, double: bool) -> None:
        super().__init__()
        self.block = _blocks(inputs, outputs, count)
        self.upsample_conv = nn.Conv2d(outputs, outputs, 3, padding=1) if double else None

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        if self.upsample_conv is None:
            return x
        return self.upsample_conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Encoder(nn.Module):
    """Images ``[N, 3, H, W]`` in [0, 1] to latents ``[N, z_channels, H / stride, W / stride]``."""

    def __init__(self, settings: MaskGITSettings) -> None:
        super().__init__()
        widths, count = settings.widths, settings.num_res_blocks
        entering = (settings.ch, *widths)
        self.conv_in = nn.Conv2d(3, settings.ch, 3, padding=1, bias=False)
        self.down = nn.ModuleList(
            Down(entering[i], width, count, i < len(widths) - 1, settings.strided) for i, width in enumerate(widths)
        )
        self.mid = _blocks(widths[-1], widths[-1], count)
        self.norm_out = _norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], settings.z_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_in(x)
        for part in (*self.down, *self.mid):
            h = part(h)
        return self.conv_out(F.silu(self.norm_out(h)))


class Decoder(nn.Module):
    """Codes as vectors ``[N, z_channels, h, w]`` to images, nominally in [0, 1]. ``up.0`` is the finest level."""

    def __init__(self, settings: MaskGITSettings) -> None:
        super().__init__()
        widths, count = settings.widths, settings.num_res_blocks
        entering = (*widths[1:], widths[-1])
        self.conv_in = nn.Conv2d(settings.z_channels, widths[-1], 3, padding=1)
        self.mid = _blocks(widths[-1], widths[-1], count)
        self.up = nn.ModuleList(Up(entering[i], width, count, i > 0) for i, width in enumerate(widths))
        self.norm_out = _norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, code: Tensor) -> Tensor:
        h = self.conv_in(code)
        for part in (*self.mid, *reversed(self.up)):
            h = part(h)
        return self.conv_out(F.silu(self.norm_out(h)))
