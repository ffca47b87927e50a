"""From key codes to the decoder's features: grid lookup and one modulated MLP per group of grids.

As released: the modulated weights start xavier-normal and, like the styles, are divided by their largest magnitude;
the bias is added before demodulation; leaky ReLUs have slope 0.01 and no gain; every layer is clamped; both style MLPs
divide their input by its RMS and end in StyleGAN2's leaky ReLU.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.brics.grids import Grids
from methods.brics.modulation import activate, demodulation, unit_rms
from methods.brics.presets import Settings

LIMIT = 255.0
"""Every layer's output is clamped to this magnitude, so that a diverging MLP cannot overflow the decoder."""
SLOPE = 0.01


class GroupedLinear(nn.Module):
    """One fully connected layer per group: float ``[G, ..., in]`` to ``[G, ..., out]``, equalised learning rate."""

    def __init__(self, groups: int, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(groups, outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((groups, 1, outputs), bias / rate))
        self.gain = rate / math.sqrt(inputs)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1, -2) @ (self.weight * self.gain).transpose(1, 2)
        return (flat + self.bias * self.rate).reshape(*x.shape[:-1], -1)


class GroupedModulatedLinear(nn.Module):
    """One modulated and demodulated fully connected layer per group, for all groups in one batched product.

    With W a group's weights and s the affine map of its style: as ``released`` it is (W' (x * s') + b) / norm(W' s'),
    where s' is s over its largest magnitude and each row of W' is W's over its largest magnitude and sqrt(inputs).
    Otherwise it is W (x * s) / norm(W s) + b, the 1x1 case of :class:`methods.brics.modulation.ModulatedConv`.
    """

    def __init__(self, groups: int, inputs: int, outputs: int, style: int, released: bool = True) -> None:
        super().__init__()
        self.released = released
        deviation = math.sqrt(2 / (inputs + outputs)) if released else 1.0  # Glorot and Bengio 2010, equation 12
        self.weight = nn.Parameter(torch.randn(groups, outputs, inputs) * deviation)
        self.bias = nn.Parameter(torch.zeros(groups, 1, 1, outputs))
        self.affine = GroupedLinear(groups, style, inputs, bias=1.0)
        self.gain = 1 / math.sqrt(inputs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """``x`` float ``[G, N, P, in]``, ``style`` float ``[G, N, style]``, result float ``[G, N, P, out]``."""
        scale = self.affine(style)
        weight = self.weight * self.gain
        if self.released:
            scale = scale / scale.abs().amax(-1, keepdim=True)
            weight = weight / self.weight.abs().amax(-1, keepdim=True)
        y = (x * scale[:, :, None].to(x.dtype)).flatten(1, 2) @ weight.transpose(1, 2)
        y = y.reshape(*x.shape[:3], -1)
        norm = demodulation(weight[:, None], scale)[:, :, None].to(y.dtype)
        return (y + self.bias) * norm if self.released else y * norm + self.bias


class GroupedMlp(nn.Module):
    """Fully connected layers with leaky ReLUs: float ``[G, N, widths[0]]`` to ``[G, N, widths[-1]]``.

    As ``released`` it first divides by the RMS, and a leaky ReLU follows the last layer too.
    """

    def __init__(self, groups: int, widths: tuple[int, ...], rate: float = 1.0, released: bool = True) -> None:
        super().__init__()
        self.released = released
        self.layers = nn.ModuleList(GroupedLinear(groups, a, b, rate=rate) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        x = unit_rms(x) if self.released else x
        for number, layer in enumerate(self.layers):
            x = layer(x if number == 0 else activate(x))
        return activate(x) if self.released else x


class Retrieval(nn.Module):
    """Key codes to a feature map and to the style that modulates the decoder.

    Every channel of the key codes queries a group of grids of its own at (x, y, key), with x and y the centres of the
    decoder's starting pixels. A modulated MLP turns each group's interpolated vector into its share of the feature
    channels; the mean vector over all pixels gives the group's styles.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        groups, width, style = settings.code_channels, settings.hidden, settings.group_style
        share = settings.feature_channels // groups
        self.side = settings.feature_side
        self.grids = Grids(settings.grids, groups)
        found = self.grids.channels
        self.released = settings.mlps == "released"
        self.style = GroupedMlp(groups, (found, width, style), settings.style_rate, self.released)
        self.mapping = GroupedMlp(groups, (found, width, width, share), settings.mapping_rate, self.released)
        shapes = [(found, width), (width, width), (width, share)]
        self.layers = nn.ModuleList(GroupedModulatedLinear(groups, a, b, style, self.released) for a, b in shapes)

    def forward(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        """``keys`` float ``[N, G, side, side]`` in [0, 1] to features ``[N, C, side, side]`` and style ``[N, C]``."""
        n, groups, side, _ = keys.shape
        found = self.grids(self._points(keys)).reshape(groups, -1, n, side * side)
        x = found.permute(0, 2, 3, 1)
        mean = unit_rms(x.mean(2))
        style = self.style(mean)
        for number, layer in enumerate(self.layers):
            x = layer(x if number == 0 else self._activated(x), style).clamp(-LIMIT, LIMIT)
        features = x.permute(1, 0, 3, 2).reshape(n, -1, side, side)
        # As released: where the epsilon outweighs the mean square, to divide again is no idle repetition.
        mean = unit_rms(mean) if self.released else mean
        return features, self.mapping(mean).transpose(0, 1).flatten(1)

    def _activated(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, SLOPE) if self.released else activate(x)

    def _points(self, keys: Tensor) -> Tensor:
        """Queries ``[G, N * side^2, 3]``: the centre of each pixel in [0, 1], and its key."""
        n, groups, side, _ = keys.shape
        centre = (torch.arange(side, device=keys.device, dtype=torch.float32) + 0.5) / side
        x = centre.expand(groups, n, side, side)
        y = centre[:, None].expand(groups, n, side, side)
        return torch.stack([x, y, keys.transpose(0, 1).float()], dim=-1).flatten(1, 3)


def tiled(keys: Tensor, side: int) -> Tensor:
    """Repeats each key code over a square of the starting features: ``[N, G, s, s]`` to ``[N, G, side, side]``."""
    return keys if keys.shape[-1] == side else F.interpolate(keys, size=(side, side), mode="nearest")
