"""R64: a random VGG16 with a 64-dimensional output (Naeem et al. 2020, section 3.3), for machines without weights.

Never called FID: it only shares the formula. The network is VGG16 for 32-pixel inputs (the thirteen convolutions, then
512 -> 4096 -> 64), He-uniform weights from a fixed seed, no biases.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

SIDE = 32
SEED = 64
WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Output channels of VGG16's convolutions; 0 stands for a 2 x 2 max-pooling."""
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class R64:
    """uint8 ``[N, 3, H, W]`` to ``{"fc2": float32 [N, 64]}``; images are resized to 32 x 32, bilinear, antialiased."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._network = _network().to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self._mean = torch.tensor(MEAN, device=device).view(3, 1, 1)
        self._deviation = torch.tensor(DEVIATION, device=device).view(3, 1, 1)

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """One pass for all outputs."""
        with torch.inference_mode():
            pixels = images.to(self._device).float() / 255
            if pixels.shape[2:] != (SIDE, SIDE):
                pixels = interpolate(pixels, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
            scaled = ((pixels - self._mean) / self._deviation).contiguous(memory_format=torch.channels_last)
            return {"fc2": self._network(scaled)}


def build(device: torch.device, weights: object) -> R64:
    """The extractor; it needs no weight files."""
    return R64(device)


def _network() -> nn.Sequential:
    random = np.random.RandomState(SEED)
    layers: list[nn.Module] = []
    channels = 3
    for width in WIDTHS:
        if width == 0:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [_convolution(random, channels, width), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(
        *layers, nn.Flatten(), _linear(random, 512, 4096), nn.ReLU(inplace=True), _linear(random, 4096, 64)
    )


def _convolution(random: np.random.RandomState, inputs: int, outputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, device="meta")
    layer.weight = nn.Parameter(_weights(random, (outputs, inputs, 3, 3)))
    return layer


def _linear(random: np.random.RandomState, inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False, device="meta")
    layer.weight = nn.Parameter(_weights(random, (outputs, inputs)))
    return layer


def _weights(random: np.random.RandomState, shape: tuple[int, ...]) -> Tensor:
    """He et al. 2015, uniform: bound sqrt(6 / fan in). NumPy's ``random_sample`` gives equal bits on every machine."""
    bound = float(np.sqrt(6 / np.prod(shape[1:])))
    return torch.from_numpy(((2 * random.random_sample(shape) - 1) * bound).astype(np.float32))
