"""Images of any size to a tokenizer that takes multiples of a stride, and back: the one place that pads and crops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.contract import AnySize, FixedSize, MultiplesOf, Takes
from bench.data.sized import said

if TYPE_CHECKING:
    from torch import Tensor

MAPS = 2
"""Maps of all pairs of tokens that attention holds at once: the scores and their softmax, in float32."""


def unfit(takes: Takes, sizes: np.ndarray) -> str | None:
    """Why images of these sizes, int64 ``[N, 2]``, cannot be given to the tokenizer; None where they can."""
    if not isinstance(takes, FixedSize):
        return None
    others = sizes[(sizes != (takes.height, takes.width)).any(axis=1)]
    if not len(others):
        return None
    return (
        f"it takes images of {takes.width}x{takes.height} pixels alone, and {len(others)} of {len(sizes)} have others "
        f"({said(others)}); nothing is cropped silently: measure it with a --protocol of one size"
    )


def padded_sizes(takes: Takes, sizes: np.ndarray) -> np.ndarray:
    """What images of these sizes, int64 ``[N, 2]``, are padded to."""
    if not isinstance(takes, MultiplesOf):
        return sizes
    stride = np.array([takes.height, takes.width])
    padded: np.ndarray = -(-sizes // stride) * stride
    return padded


def padded(takes: Takes, images: Tensor) -> Tensor:
    """uint8 ``[N, 3, H, W]`` with its last row and column repeated below and on the right, up to what is taken."""
    height, width = images.shape[2:]
    tall, wide = padded_sizes(takes, np.array([[height, width]]))[0].tolist()
    if (tall, wide) == (height, width):
        return images
    # Repeated by index and not by torch's padding, which has no uint8.
    import torch

    rows = torch.arange(tall, device=images.device).clamp(max=height - 1)
    columns = torch.arange(wide, device=images.device).clamp(max=width - 1)
    return images[:, :, rows][:, :, :, columns]


def cropped(decoded: Tensor, size: tuple[int, int]) -> Tensor:
    """The upper left ``size``, (height, width), of decoded images ``[N, 3, H, W]``."""
    return decoded[:, :, : size[0], : size[1]]


def facts(takes: Takes, sizes: np.ndarray) -> dict[str, Any]:
    """What a result says of the padding; nothing where no image was padded."""
    wider = padded_sizes(takes, sizes)
    count = int((wider != sizes).any(axis=1).sum())
    if not count or not isinstance(takes, MultiplesOf):
        return {}
    return {
        "padding": {
            "images": count,
            "to_multiples_of": [takes.height, takes.width],
            "how": "edge repeated below and on the right; codes of the padded image, pixels of the true one",
            "coded_pixels": int(wider.prod(axis=1).sum()),
            "true_pixels": int(sizes.prod(axis=1).sum()),
        }
    }


def attention_bytes(takes: Takes, sizes: np.ndarray, keeps_maps: bool) -> int:
    """Bytes of the maps of self-attention for the largest of these images alone; 0 where none is kept.

    ``keeps_maps`` is whether the device's fused attention writes the maps out.
    """
    if isinstance(takes, AnySize | FixedSize) or takes.token is None or (takes.fused and not keeps_maps):
        return 0
    tokens = (padded_sizes(takes, sizes) // takes.token).prod(axis=1).max(initial=0)
    return MAPS * 4 * int(tokens) ** 2
