"""Transformer blocks with ReZero residuals and several feed-forward layers per attention layer.

ReZero (Bachlechner et al. 2020): x + a f(x) with a learned from zero. PAR-Transformer (Mandava et al. 2020): fewer
attention layers than feed-forward layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.priors.transformer import Cache


@dataclass(frozen=True)
class Shape:
    """What all blocks of a stack share; ``cross``: the blocks also attend to the encoder."""

    width: int
    heads: int
    feed_forward: int
    expansion: int
    dropout: float
    cross: bool


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) of one sequence to another, or to itself."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.dropout = shape.heads, shape.dropout
        self.query = nn.Linear(shape.width, shape.width)
        self.keys_values = nn.Linear(shape.width, 2 * shape.width)
        self.output = nn.Linear(shape.width, shape.width)

    def project(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values ``[N, heads, S, width / heads]`` of what is attended to, ``[N, S, width]``."""
        key, value = self.keys_values(source).chunk(2, dim=2)
        return self._split(key), self._split(value)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """``[N, T, width]``; ``mask`` bool, broadcast to ``[N, heads, T, S]``, says what may be seen."""
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(self._split(self.query(x)), key, value, attn_mask=mask, dropout_p=dropout)
        return self.output(y.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class ReZero(nn.Module):
    """x + gain * dropout(f(x)), the gain learned from zero."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(()))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, change: Tensor) -> Tensor:
        """Adds a layer's output to its input."""
        return x + self.gain * self.dropout(change)


class FeedForward(nn.Module):
    """Normalisation, a wide layer with GELU, and back, as a residual."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        wide = shape.expansion * shape.width
        self.layers = nn.Sequential(
            nn.LayerNorm(shape.width), nn.Linear(shape.width, wide), nn.GELU(), nn.Linear(wide, shape.width)
        )
        self.residual = ReZero(shape.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, T, width]`` to the same shape."""
        return self.residual(x, self.layers(x))


@dataclass
class BlockCache:
    """Keys and values of the positions seen so far, and those of the encoder's output."""

    own: Cache
    encoded: tuple[Tensor, Tensor] | None


class Block(nn.Module):
    """Self-attention, attention to the encoder where the shape says so, feed-forward layers."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm, self.attention, self.residual = nn.LayerNorm(shape.width), Attention(shape), ReZero(shape.dropout)
        self.cross_norm = nn.LayerNorm(shape.width) if shape.cross else None
        self.cross = Attention(shape) if shape.cross else None
        self.cross_residual = ReZero(shape.dropout) if shape.cross else None
        self.feed_forward = nn.Sequential(*(FeedForward(shape) for _ in range(shape.feed_forward)))

    def forward(self, x: Tensor, mask: Tensor | None, memory: Tensor | None, cache: BlockCache | None) -> Tensor:
        """``[N, T, width]`` to the same shape; ``memory`` ``[N, S, width]`` is the encoder's output."""
        normed = self.norm(x)
        key, value = self.attention.project(normed)
        if cache is not None:
            key, value = cache.own.extended(key, value)
        x = self.residual(x, self.attention(normed, key, value, mask))
        if self.cross is not None and self.cross_norm is not None and self.cross_residual is not None:
            x = self.cross_residual(x, self._attend(self.cross, self.cross_norm(x), memory, cache))
        return self.feed_forward(x)

    def _attend(self, cross: Attention, normed: Tensor, memory: Tensor | None, cache: BlockCache | None) -> Tensor:
        if cache is not None and cache.encoded is not None:
            return cross(normed, *cache.encoded, None)
        if memory is None:
            raise ValueError("A block that attends to the encoder needs its output.")
        key, value = cross.project(memory)
        if cache is not None:
            cache.encoded = (key, value)
        return cross(normed, key, value, None)


class Stack(nn.Module):
    """Blocks and a last normalisation."""

    def __init__(self, blocks: int, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.blocks = nn.ModuleList(Block(shape) for _ in range(blocks))
        self.norm = nn.LayerNorm(shape.width)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        memory: Tensor | None = None,
        caches: Sequence[BlockCache] | None = None,
    ) -> Tensor:
        """``[N, T, width]`` to the same shape."""
        for index, block in enumerate(self.blocks):
            x = block(x, mask, memory, caches[index] if caches else None)
        return self.norm(x)

    def new_caches(self, count: int, longest: int) -> list[BlockCache]:
        """Empty caches for ``count`` sequences of up to ``longest`` positions."""
        device, shape = self.norm.weight.device, self.shape
        size = (count, shape.heads, longest, shape.width // shape.heads)
        return [
            BlockCache(Cache(torch.empty(size, device=device), torch.empty(size, device=device)), None)
            for _ in self.blocks
        ]


def causal_mask(known: Tensor) -> Tensor:
    """Bool ``[N, 1, T, T]``: earlier known positions and itself, which keeps padding free of NaN."""
    length = known.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=known.device).tril()
    itself = torch.eye(length, dtype=torch.bool, device=known.device)
    return ((causal & known[:, None, :]) | itself)[:, None]
