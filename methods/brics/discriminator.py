"""StyleGAN2's residual discriminator (Karras et al. 2020, arXiv 1912.04958, section 4.1 and appendix B)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.brics.modulation import GAIN, SLOPE, Conv, Linear, activate, bounded, full_precision

LAST_SIDE = 4
WIDEST = 512
GROUP = 4


def minibatch_deviation(x: Tensor, group: int = GROUP) -> Tensor:
    """Appends one channel, the mean standard deviation within groups of images (Karras et al. 2018, section 3).

    ``[N, C, H, W]`` to ``[N, C + 1, H, W]``. Image i is grouped with the images that have the same remainder modulo
    N / group; a batch that does not divide is one group. Groups never reach across processes or micro-batches.
    """
    n, c, h, w = x.shape
    size = group if n % group == 0 else n
    # Float32: a variance in bfloat16 would be mostly rounding.
    grouped = x.float().reshape(size, n // size, c, h, w)
    deviation = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    channel = deviation.repeat(size).reshape(n, 1, 1, 1).expand(n, 1, h, w)
    return torch.cat([x, channel.to(x.dtype)], dim=1)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a 1x1 skip, downsampled by two through the FIR filter, added and divided by sqrt(2).

    The convolutions' outputs are clamped to [-256, 256], the skip's is not.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = Conv(inputs, inputs, 3)
        self.conv2 = Conv(inputs, outputs, 3, down=True)
        self.skip = Conv(inputs, outputs, 1, bias=False, down=True)

    def forward(self, x: Tensor) -> Tensor:
        h = bounded(activate(self.conv2(bounded(activate(self.conv1(x))))))
        return (h + self.skip(x)) * math.sqrt(0.5)


class Discriminator(nn.Module):
    """Images float ``[N, 3, S, S]`` of about [-1, 1] to logits float32 ``[N]``; S a power of two, at least 8.

    At resolution s it is ``base / s`` channels wide, at most 512. On CUDA the ``half`` highest resolutions run in
    float16 and the rest in float32, on other devices all of it in float32, whatever autocast says; with ``half`` 0 it
    runs as autocast says.
    """

    def __init__(self, side: int, base: int, half: int = 0) -> None:
        super().__init__()
        self.half_sides = half

        def channels(at: int) -> int:
            return min(base // at, WIDEST)

        self.stem = Conv(3, channels(side), 1)
        sides = [side >> k for k in range(int(math.log2(side // LAST_SIDE)))]
        self.blocks = nn.Sequential(*(ResidualBlock(channels(s), channels(s // 2)) for s in sides))
        last = channels(LAST_SIDE)
        self.conv = Conv(last + 1, last, 3)
        self.hidden = Linear(last * LAST_SIDE**2, last)
        self.out = Linear(last, 1)

    def forward(self, images: Tensor) -> Tensor:
        with full_precision(images.device) if self.half_sides else nullcontext():
            return self.logits(images, self.precisions(images.device))

    def precisions(self, device: torch.device) -> list[torch.dtype]:
        """The precision of each block on ``device``, from the highest resolution on."""
        half = self.half_sides if device.type == "cuda" else 0
        return [torch.float16 if number < half else torch.float32 for number in range(len(self.blocks))]

    def logits(self, images: Tensor, precisions: Sequence[torch.dtype]) -> Tensor:
        """:meth:`forward` with a precision for each block; the stem has the first's, what follows is in float32."""
        x = bounded(activate(self.stem(images.to(precisions[0]))))
        for block, precision in zip(self.blocks, precisions, strict=True):
            x = block(x.to(precision))
        x = bounded(activate(self.conv(minibatch_deviation(x.float()))))
        x = F.leaky_relu(self.hidden(x.flatten(1)) * GAIN, SLOPE)
        return self.out(x).squeeze(1).float()
