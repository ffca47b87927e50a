"""LPIPS with each backbone (Zhang et al. 2018, version 0.1 of the ``lpips`` package)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.metrics.entries import MetricEntry, PairFormula
from bench.results.record import Tolerance

if TYPE_CHECKING:
    from torch import Tensor

    from bench.pretrained.lpips import Backbone, Networks


LARGEST_PIXELS = 1 << 23
"""Of one image (8 million): VGG16's first layer alone has 64 values of 4 bytes a pixel, several times over."""


def lpips_alex(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """AlexNet backbone; uint8 ``[N, 3, H, W]`` -> float64 ``[N]``."""
    return _lpips(reference, candidate, tools, "alex")


def lpips_vgg(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """VGG16 backbone; uint8 ``[N, 3, H, W]`` -> float64 ``[N]``."""
    return _lpips(reference, candidate, tools, "vgg")


def lpips_squeeze(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """SqueezeNet backbone; uint8 ``[N, 3, H, W]`` -> float64 ``[N]``."""
    return _lpips(reference, candidate, tools, "squeeze")


def _lpips(reference: Tensor, candidate: Tensor, tools: Networks, backbone: Backbone) -> np.ndarray:
    import torch

    with torch.inference_mode():
        distances: Tensor = tools.lpips(backbone)(_signed(reference), _signed(candidate))
    return distances.flatten().cpu().numpy().astype(np.float64)


def _signed(images: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1], channels last."""
    import torch

    return (images.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def _row(backbone: str, function: PairFormula, needs: str) -> MetricEntry:
    return MetricEntry(
        name=f"lpips-{backbone}",
        title=f"LPIPS ({backbone})",
        kind="pair",
        higher_is_better=False,
        unit="",
        decimals=4,
        place=30,
        function=function,
        tolerance=Tolerance(0.002),
        needs=(needs,),
        smallest_side=32,
        largest_pixels=LARGEST_PIXELS,
        convention={"lpips": "0.1", "backbone": backbone, "range": "[-1, 1] from uint8"},
    )


ROWS = (
    _row("alex", lpips_alex, "alexnet"),
    _row("vgg", lpips_vgg, "vgg16"),
    _row("squeeze", lpips_squeeze, "squeezenet1_1"),
)
