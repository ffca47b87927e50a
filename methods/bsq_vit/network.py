"""BSQ-ViT's encoder and decoder (Zhao et al. 2024, section 4.1): transformers over patches; official keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.autoencoder.transformer import blocks
from methods.bsq_vit.presets import BSQSettings


class Transformer(nn.Module):
    """All blocks, ``[N, L, width] -> [N, L, width]``; key names ``resblocks.i``."""

    def __init__(self, settings: BSQSettings) -> None:
        super().__init__()
        self.resblocks = blocks(settings.width, settings.layers)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x)
        return x


class Encoder(nn.Module):
    """Images ``[N, 3, S, S]`` in [-1, 1] to features of patches ``[N, L, width]``, row by row."""

    def __init__(self, settings: BSQSettings, patches: int) -> None:
        super().__init__()
        width, self.patch = settings.width, settings.patch
        self.positional_embedding = nn.Parameter(torch.empty(patches, width))
        self.conv1 = nn.Linear(3 * settings.patch**2, width, bias=False)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Transformer(settings)

    def forward(self, images: Tensor) -> Tensor:
        pixels = F.pixel_unshuffle(images, self.patch).flatten(2).transpose(1, 2)
        return self.ln_post(self.transformer(self.ln_pre(self.conv1(pixels) + self.positional_embedding)))


class Decoder(nn.Module):
    """Features of patches ``[N, L, width]`` to images ``[N, 3, S, S]``, nominally in [-1, 1], not clamped."""

    def __init__(self, settings: BSQSettings, patches: int) -> None:
        super().__init__()
        width, self.patch = settings.width, settings.patch
        self.positional_embedding = nn.Parameter(torch.empty(patches, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Transformer(settings)
        self.ffn = nn.Sequential(nn.Linear(width, settings.hidden), nn.Tanh())
        self.conv_out = nn.Linear(settings.hidden, 3 * settings.patch**2)

    def forward(self, features: Tensor) -> Tensor:
        h = self.transformer(self.ln_pre(features + self.positional_embedding))
        pixels = self.conv_out(self.ffn(self.ln_post(h))).transpose(1, 2)
        side = int(len(self.positional_embedding) ** 0.5)
        return F.pixel_shuffle(pixels.reshape(len(h), -1, side, side), self.patch)
