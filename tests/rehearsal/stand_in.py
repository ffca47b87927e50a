"""A pretrained network that is not here, with seeded random weights of the right shape."""

from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file


def stand_in(name: str, folder: Path) -> Path:
    """Writes the convolutions of VGG16 with random weights that keep the scale of activations."""
    assert name == "vgg16"
    with torch.device("meta"):
        features = torchvision.models.vgg16(weights=None).features
    features.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for parameter in features.parameters():
        if parameter.ndim == 1:
            torch.nn.init.zeros_(parameter)
        else:
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=generator)
    path = folder / "vgg16.safetensors"
    save_file({f"features.{name}": value for name, value in features.state_dict().items()}, path)
    return path
