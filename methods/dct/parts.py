"""What encoding and decoding cost: the block transforms, no parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bench.contract import Build, Part
from methods.dct.layout import Layout
from methods.dct.model import DctTokenizer
from methods.dct.presets import Settings


def parts(settings: Settings, build: Build) -> Sequence[Part]:
    """Both directions for one image of the build's size; finding the non-zeros costs no arithmetic."""
    layout = Layout(settings, build.size)
    codec = DctTokenizer(settings, build.device)
    with build.device:
        rgb = torch.zeros(1, 3, *layout.size, dtype=torch.float64)
        dense = torch.zeros(1, *layout.shape[:2], dtype=torch.int32)
    return [
        Part("block DCT", "encoder", lambda: codec.quantise(rgb, layout), {}),
        Part("inverse block DCT", "decoder", lambda: codec.dequantise(dense, layout), {}),
    ]
