"""A causal transformer with pre-normalisation (GPT-2's blocks) and a cache of keys and values."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass
class Cache:
    """Keys and values ``[N, heads, longest, width / heads]`` of one attention layer; ``filled`` positions are known."""

    keys: Tensor
    values: Tensor
    filled: int = 0

    def extended(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Stores the keys and values of new positions and returns those of all positions so far."""
        end = self.filled + key.shape[2]
        self.keys[:, :, self.filled : end] = key
        self.values[:, :, self.filled : end] = value
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class Attention(nn.Module):
    """Causal multi-head self-attention (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.inputs = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, cache: Cache | None) -> Tensor:
        """``[N, T, width]``; with a cache, x are the positions after those that the cache knows."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.inputs(x).chunk(3, dim=2)
        )
        if cache is not None:
            key, value = cache.extended(key, value)
        several = query.shape[2] > 1
        if several and key.shape[2] != query.shape[2]:
            raise ValueError("A cache that is not empty is extended by one position at a time.")
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=several)
        return self.output(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)) with a hidden layer four times as wide and GELU."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: Cache | None) -> Tensor:
        """``[N, T, width]`` to the same shape."""
        x = x + self.dropout(self.attention(self.norm1(x), cache))
        return x + self.dropout(self.mlp(self.norm2(x)))


class Transformer(nn.Module):
    """Causal blocks and a last normalisation."""

    def __init__(self, layers: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, caches: list[Cache] | None = None) -> Tensor:
        """``[N, T, width]`` to the same shape; position t sees positions up to t."""
        for index, block in enumerate(self.blocks):
            x = block(x, caches[index] if caches else None)
        return self.norm(x)

    def new_caches(self, count: int, longest: int) -> list[Cache]:
        """Empty caches for ``count`` sequences of up to ``longest`` positions."""
        device, width = self.norm.weight.device, self.norm.weight.shape[0]
        shape = (count, self.heads, longest, width // self.heads)
        return [Cache(torch.empty(shape, device=device), torch.empty(shape, device=device)) for _ in self.blocks]


def initialise(module: nn.Module) -> None:
    """GPT-2's initialisation: matrices and embeddings N(0, 0.02^2), biases zero."""
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Embedding)):
            nn.init.normal_(part.weight, std=0.02)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
