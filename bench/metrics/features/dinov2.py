"""DINOv2 class tokens for FD-DINOv2 (Stein et al. 2023), on timm's vision transformer with Meta's weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bench.metrics.features.resample import bicubic_antialiased
from bench.metrics.features.vit import Standardised
from bench.pretrained.weights import load_state, load_strictly

SIDE = 224
PATCH = 14
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
OFFSET = 0.1
"""Added to the grid size when position embeddings are interpolated, as the published models do."""


def build_small(device: torch.device, weights: Callable[[str], Path]) -> Standardised:
    """ViT-S/14: uint8 ``[N, 3, H, W]`` to ``cls``, the normalised class token, float32 ``[N, 384]``."""
    return _build("vit_small_patch14_dinov2", weights("dinov2-vits14"), device)


def build_large(device: torch.device, weights: Callable[[str], Path]) -> Standardised:
    """ViT-L/14: as ViT-S/14, but float32 ``[N, 1024]``."""
    return _build("vit_large_patch14_dinov2", weights("dinov2-vitl14"), device)


def _build(model: str, path: Path, device: torch.device) -> Standardised:
    import timm

    network = timm.create_model(model, pretrained=False, num_classes=0, img_size=SIDE)
    load_strictly(network, to_timm(load_state(path)), str(path))
    return Standardised(network, "cls", prepare, MEAN, DEVIATION, device)


def prepare(images: Tensor) -> Tensor:
    """Float32 ``[N, 3, 224, 224]``, 0 to 255: clean-fid's bicubic filter."""
    return bicubic_antialiased(images.float(), SIDE, SIDE)


def to_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Meta's keys are timm's but for the mask token, which is left out; positions are interpolated to 224 x 224."""
    renamed = {key: value for key, value in state.items() if key != "mask_token"}
    if "pos_embed" in renamed:
        renamed["pos_embed"] = positions(renamed["pos_embed"], SIDE // PATCH)
    return renamed


def positions(embedding: Tensor, side: int) -> Tensor:
    """``[1, 1 + M * M, D]`` to ``[1, 1 + side * side, D]``: torch's bicubic by the factor (side + 0.1) / M."""
    token, grid = embedding[:, :1], embedding[:, 1:]
    size = round(grid.shape[1] ** 0.5)
    image = grid.reshape(1, size, size, -1).permute(0, 3, 1, 2)
    factor = (side + OFFSET) / size
    resized = interpolate(image, scale_factor=(factor, factor), mode="bicubic", align_corners=False)
    return torch.cat((token, resized.permute(0, 2, 3, 1).flatten(1, 2)), dim=1)
