"""VGG16 fc2 features for precision and recall (Kynkäänniemi et al. 2019): torch-fidelity's and BRICS's path to them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.core.images import resize
from bench.errors import IntegrityError
from bench.metrics.features.vit import Standardised, each
from bench.pretrained.weights import load_state, load_strictly

SIDE = 224
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
FC2 = 4
"""The classifier's layers up to its second fully connected one, without the ReLU behind it."""
OUTPUTS = {"fc2": "fc2", "fc2-relu": "fc2_relu"}


class VGG16:
    """uint8 ``[N, 3, H, W]`` to ``fc2`` and ``fc2-relu``, float32 ``[N, 4096]``.

    TensorFlow 1's bilinear resize to 224 x 224, ImageNet's mean and deviation.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network.to(device).to(memory_format=torch.channels_last)
        self._device = device

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """One pass for both outputs."""
        with torch.inference_mode():
            values = self._network(images.to(self._device))
        return dict(zip(OUTPUTS, values, strict=True))


def build(device: torch.device, weights: Callable[[str], Path]) -> VGG16:
    """torch-fidelity's network with the pinned weights, read by our loader and handed over in memory."""
    from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16

    path = weights("vgg16")
    held = io.BytesIO()
    torch.save(load_state(path), held)
    held.seek(0)
    try:
        network = FeatureExtractorVGG16("vgg16", list(OUTPUTS.values()), feature_extractor_weights_path=held)
    except RuntimeError as error:
        said = " ".join(str(error).split())[:200]
        raise IntegrityError(f"{path} does not fit VGG16 ({said}); fetch it again.") from error
    return VGG16(network, device)


def build_pil(device: torch.device, weights: Callable[[str], Path]) -> Standardised:
    """The network of torchvision; uint8 ``[N, 3, H, W]`` to ``fc2`` before its ReLU, float32 ``[N, 4096]``."""
    import torchvision

    path = weights("vgg16")
    with torch.device("meta"):
        network = torchvision.models.vgg16(weights=None)
    network.to_empty(device="cpu")
    load_strictly(network, load_state(path), str(path))
    fc2 = nn.Sequential(network.features, nn.Flatten(), *network.classifier[:FC2])
    return Standardised(fc2, "fc2", prepare_pil, MEAN, DEVIATION, device)


def prepare_pil(images: Tensor) -> Tensor:
    """uint8 ``[N, 3, 224, 224]`` by Pillow's bilinear filter, rounded to uint8; other shapes are squeezed."""
    return each(images, _prepare_one)


def _prepare_one(image: np.ndarray) -> np.ndarray:
    return resize(np.ascontiguousarray(image.transpose(1, 2, 0)), (SIDE, SIDE), "bilinear").transpose(2, 0, 1)
