"""Layers of StyleGAN2: equalised learning rates, weight modulation, FIR resampling (Karras et al. 2020)."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

SLOPE = 0.2
FILTER = (1.0, 3.0, 3.0, 1.0)


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Turns autocast off on ``device``; nothing to do on meta tensors, which have none."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


def run(block: nn.Module, *inputs: Any, checkpointing: bool) -> Any:
    """``block(*inputs)``; with ``checkpointing`` its activations are recomputed in the backward pass, not kept."""
    return checkpoint(block, *inputs, use_reentrant=False) if checkpointing else block(*inputs)


GAIN = math.sqrt(2)
"""What keeps the variance through a leaky ReLU. It commutes with the ReLU, so the layer before applies it for free."""


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, times sqrt(2)."""
    return F.leaky_relu(x * GAIN, SLOPE, inplace=True)


LIMIT = 256.0
"""The released code clamps the output of every convolutional layer to this magnitude, so that float16 can hold it."""


def bounded(x: Tensor) -> Tensor:
    """Clamped to [-256, 256]."""
    return x.clamp(-LIMIT, LIMIT)


def unit_rms(x: Tensor, dim: int = -1) -> Tensor:
    """Divides by the root of the mean square along ``dim``, in float32."""
    x = x.float()
    return x * (x.square().mean(dim=dim, keepdim=True) + 1e-8).rsqrt()


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """1 / norm of each modulated output filter (Karras et al. 2020, arXiv 1912.04958, equation 3).

    ``weight`` ``[..., out, in]``: root of the sum of squares over the kernel; ``style`` ``[..., in]``. In float32, and
    as a plain sum of products: this is a number per filter, not a layer.
    """
    power = (weight.float().square() * style.float().square().unsqueeze(-2)).sum(-1)
    return (power + 1e-8).rsqrt()


class Linear(nn.Module):
    """Fully connected with equalised learning rate (Karras et al. 2018, section 4.1): ``[..., in]`` to ``[..., out]``.

    ``rate`` scales the learning rate of weight and bias relative to the rest of the network.
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.gain = rate / math.sqrt(inputs)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.gain, self.bias * self.rate)


class Conv(nn.Module):
    """Convolution with equalised learning rate, "same" padding or FIR-filtered downsampling by two.

    It runs in the precision of its input.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, bias: bool = True, down: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain = 1 / math.sqrt(inputs * kernel**2)
        self.kernel = kernel
        self.down = down

    def forward(self, x: Tensor) -> Tensor:
        weight = (self.weight * self.gain).to(x.dtype)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        if not self.down:
            return F.conv2d(x, weight, bias, padding=self.kernel // 2)
        if self.kernel == 1:
            return F.conv2d(filtered(x, (1, 1), stride=2), weight, bias)
        return F.conv2d(filtered(x, (2, 2)), weight, bias, stride=2)


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled by a style and whose filters are brought back to unit norm.

    Activations are scaled before and after one ordinary convolution, which equals scaling the weights of every sample
    (Karras et al. 2020, equations 1-3) and needs no grouped convolution. ``up`` doubles the size: a transposed
    convolution followed by the FIR filter.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, style: int, up: bool = False, demodulate: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.affine = Linear(style, inputs, bias=1.0)
        self.gain = 1 / math.sqrt(inputs * kernel**2)
        self.up = up
        self.demodulate = demodulate

    def forward(self, x: Tensor, style: Tensor, offset: Tensor, gain: float = 1.0) -> Tensor:
        """``gain * (convolution + offset)``, the demodulation, gain and offset in one pass over the activations.

        ``x`` float ``[N, in, H, W]``, ``style`` float ``[N, style]``, ``offset`` broadcast to ``[N, out, H', W']``.
        """
        scale = self.affine(style)
        weight = self.weight * self.gain
        x = x * scale[:, :, None, None].to(x.dtype)
        if self.up:
            x = filtered(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), (1, 1), gain=4.0)
        else:
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        offset = (offset * gain).to(x.dtype)
        if not self.demodulate:
            return torch.add(offset, x, alpha=gain)
        norm = demodulation(weight.float().square().sum((2, 3)).sqrt(), scale) * gain
        return torch.addcmul(offset, x, norm[:, :, None, None].to(x.dtype))


def kernel2d(device: torch.device, dtype: torch.dtype, gain: float = 1.0) -> Tensor:
    """The separable binomial filter as ``[4, 4]``, its sum equal to ``gain``."""
    taps = torch.tensor(FILTER, device=device, dtype=dtype)
    taps = taps / taps.sum()
    return torch.outer(taps, taps) * gain


def filtered(x: Tensor, pad: tuple[int, int], gain: float = 1.0, stride: int = 1) -> Tensor:
    """Zero-pads by ``pad`` (before, after) on both axes and applies the filter to every channel ``[N, C, H, W]``."""
    channels = x.shape[1]
    kernel = kernel2d(x.device, x.dtype, gain).expand(channels, 1, 4, 4)
    return F.conv2d(F.pad(x, (*pad, *pad)), kernel, stride=stride, groups=channels)


def upsampled(x: Tensor) -> Tensor:
    """``[N, C, H, W]`` to ``[N, C, 2H, 2W]``: zeros between the pixels, then the filter with gain 4."""
    n, c, h, w = x.shape
    spread = F.pad(x.reshape(n, c, h, 1, w, 1), (0, 1, 0, 0, 0, 1)).reshape(n, c, 2 * h, 2 * w)
    return filtered(spread, (2, 1), gain=4.0)
