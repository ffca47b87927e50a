"""DINOv2 class tokens for FD-DINOv2 (Stein et al. 2023), on timm's vision transformer with Meta's weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from bench.features.resample import bicubic_antialiased
from bench.networks import load_state, load_strictly

SIDE = 224
PATCH = 14
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
OFFSET = 0.1
"""Added to the grid size when position embeddings are interpolated, as the published models do."""


class DinoV2:
    """uint8 ``[N, 3, H, W]`` to ``cls``, the normalised class token, float32 ``[N, 384]`` (S) or ``[N, 1024]`` (L).

    Images are resized to 224 x 224 with clean-fid's bicubic filter and scaled by ImageNet's mean and deviation.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network.to(device).eval().requires_grad_(False)
        self._device = device
        self._mean = torch.tensor(MEAN, device=device).view(3, 1, 1)
        self._deviation = torch.tensor(DEVIATION, device=device).view(3, 1, 1)

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """One pass."""
        with torch.inference_mode():
            pixels = bicubic_antialiased(images.to(self._device).float(), SIDE, SIDE) / 255
            return {"cls": self._network((pixels - self._mean) / self._deviation)}


def build_small(device: torch.device, weights: Callable[[str], Path]) -> DinoV2:
    """ViT-S/14."""
    return _build("vit_small_patch14_dinov2", weights("dinov2-vits14"), device)


def build_large(device: torch.device, weights: Callable[[str], Path]) -> DinoV2:
    """ViT-L/14."""
    return _build("vit_large_patch14_dinov2", weights("dinov2-vitl14"), device)


def _build(model: str, path: Path, device: torch.device) -> DinoV2:
    import timm

    network = timm.create_model(model, pretrained=False, num_classes=0, img_size=SIDE)
    load_strictly(network, to_timm(load_state(path)), str(path))
    return DinoV2(network, device)


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
