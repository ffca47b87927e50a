"""Blocks of a vision transformer (Dosovitskiy et al. 2021) with the key names of open_clip: TiTok's and BSQ-ViT's."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD = 64
"""Channels of one attention head in every published model."""


class Attention(nn.Module):
    """Multi-head self-attention, fused: ``[N, L, C] -> [N, L, C]``; the key names of ``nn.MultiheadAttention``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // HEAD)
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        packed = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = packed.reshape(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(mixed.transpose(1, 2).reshape(n, length, width))


class Block(nn.Module):
    """Attention and a four times wider layer, each after LayerNorm and around a skip: ``[N, L, C] -> [N, L, C]``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x))))


def blocks(width: int, count: int) -> nn.ModuleList:
    """``count`` blocks, one after the other."""
    return nn.ModuleList(Block(width) for _ in range(count))
