"""The pieces of BRICS whose cost is reported."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from bench.contract import Build, Part
from bench.core.images import square
from methods.brics.model import Autoencoder
from methods.brics.presets import Settings


def parts(settings: Settings, build: Build) -> Sequence[Part]:
    """Encoder; retrieval (grid lookup and MLPs); synthesis. Each runs on one image, on ``build.device``."""
    side = square(build.size, "BRICS")
    with build.device:
        model = Autoencoder(settings, side).eval()
        if build.channels_last:
            model = model.to(memory_format=torch.channels_last)
        image = torch.zeros(1, 3, side, side)
        keys = torch.zeros(1, settings.code_channels, settings.code_side, settings.code_side)
        features = torch.zeros(1, settings.feature_channels, settings.feature_side, settings.feature_side)
        style = torch.zeros(1, settings.feature_channels)
    grids = _count(model.retrieval.grids)
    mlps = _count(model.retrieval) - grids
    return [
        Part("encoder", "encoder", lambda: model.posterior(image), {"network": _count(model.encoder)}),
        Part(
            "retrieval",
            "decoder",
            lambda: model.retrieval(model.perturbed(keys, None)),
            {"network": mlps, "grids": grids},
        ),
        Part("synthesis", "decoder", lambda: model.synthesis(features, style), {"network": _count(model.synthesis)}),
    ]


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
