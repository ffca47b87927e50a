"""CLIP ViT-B/32 image embeddings for CLIP-FID (Kynkäänniemi et al. 2023), on open_clip's vision transformer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.core.images import resize
from bench.metrics.features.vit import Standardised, each
from bench.pretrained.weights import load_state, load_strictly

SIDE = 224
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
PREFIX = "visual."


def build(device: torch.device, weights: Callable[[str], Path]) -> Standardised:
    """open_clip's vision tower with OpenAI's weights; the text tower of the file is not loaded.

    uint8 ``[N, 3, H, W]`` to ``image``, float32 ``[N, 512]``, not normalised.
    """
    path = weights("clip-vit-b-32")
    network = vision_tower()
    state = {k.removeprefix(PREFIX): v for k, v in load_state(path).items() if k.startswith(PREFIX)}
    load_strictly(network, state, str(path))
    return Standardised(network, "image", prepare, MEAN, DEVIATION, device)


def vision_tower() -> nn.Module:
    """ViT-B/32 with QuickGELU, untrained."""
    from open_clip.transformer import QuickGELU, VisionTransformer

    tower: nn.Module = VisionTransformer(
        image_size=SIDE, patch_size=32, width=768, layers=12, heads=12, mlp_ratio=4.0, output_dim=512,
        act_layer=QuickGELU,
    )  # fmt: skip
    return tower


def prepare(images: Tensor) -> Tensor:
    """uint8 ``[N, 3, 224, 224]``: the short side to 224 by Pillow's bicubic (rounded to uint8), then a centre crop."""
    return each(images, _prepare_one)


def _prepare_one(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[1:]
    short = min(height, width)
    size = (int(SIDE * height / short), int(SIDE * width / short))
    pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
    if size != (height, width):
        pixels = resize(pixels, size, "bicubic")
    top, left = round((size[0] - SIDE) / 2), round((size[1] - SIDE) / 2)
    return pixels[top : top + SIDE, left : left + SIDE].transpose(2, 0, 1)
