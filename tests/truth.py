"""Procedural images with three modes, and tokenizers of them that need no training: a truth that priors can learn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.contract import Continuous, Indices

GRID = 8
SCHEMES = (((220, 60, 40), (30, 60, 160)), ((240, 220, 90), (40, 110, 60)), ((230, 230, 230), (90, 40, 90)))


def scenes(count: int, seed: int, spread: float) -> np.ndarray:
    """Disks, stripes and squares, each in its colours, uint8 ``[count, 3, 32, 32]``, of 8x8 flat cells.

    Place and size vary by ``spread``, at most 1. The cells make the codes below lossless: what separates samples from
    the truth is the prior alone.
    """
    random = np.random.default_rng(seed)
    y, x = (np.mgrid[:GRID, :GRID] + 0.5) / GRID
    cells = np.empty((count, 3, GRID, GRID), np.uint8)
    for i in range(count):
        centre, size = 0.5 + 0.15 * spread * random.uniform(-1, 1, 2), 0.24 + 0.06 * spread * random.uniform(-1, 1)
        mode = random.integers(3)
        if mode == 0:
            inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < size**2
        elif mode == 1:
            inside = ((y + centre[0]) * 4).astype(int) % 2 == 0
        else:
            inside = np.maximum(abs(y - centre[0]), abs(x - centre[1])) < size
        front, back = SCHEMES[mode]
        cells[i] = np.where(inside[None], np.array(front)[:, None, None], np.array(back)[:, None, None])
    return cells.repeat(4, 2).repeat(4, 3)


@dataclass(frozen=True)
class Pooled:
    """Codes are the means of 4x4 pixels in [0, 1]: what a continuous tokenizer gives."""

    revision: str = "pooled"

    def encode(self, images: Tensor) -> Continuous:
        return Continuous(F.avg_pool2d(images.float() / 255, images.shape[2] // GRID), 0.0, 1.0)

    def decode(self, codes: Continuous, noise: object = None) -> Tensor:
        return F.interpolate(codes.tensor, scale_factor=4).clamp(0, 1)


@dataclass(frozen=True)
class Centred:
    """Codes are the means of 4x4 pixels less one half, without bounds: as the latents of a KL-regularised encoder."""

    revision: str = "centred"

    def encode(self, images: Tensor) -> Continuous:
        return Continuous(Pooled().encode(images).tensor - 0.5)

    def decode(self, codes: Continuous, noise: object = None) -> Tensor:
        return Pooled().decode(Continuous(codes.tensor + 0.5))


@dataclass(frozen=True)
class Palette:
    """Codes are stacks of ``depth`` colours whose sum is nearest to the mean of 4x4 pixels."""

    colours: Tensor
    depth: int = 1
    revision: str = "palette"

    def encode(self, images: Tensor) -> Indices:
        residual = Pooled().encode(images).tensor.permute(0, 2, 3, 1)
        indices = []
        for _ in range(self.depth):
            indices.append(torch.cdist(residual.flatten(0, 2), self.colours).argmin(1).view(residual.shape[:3]))
            residual = residual - self.colours[indices[-1]]
        return Indices(torch.stack(indices, -1), (len(self.colours),) * self.depth, pooled=True)

    def decode(self, codes: Indices, noise: object = None) -> Tensor:
        return Pooled().decode(Continuous(self.colours[codes.tensor].sum(3).permute(0, 3, 1, 2)))

    def embed(self, codes: Indices) -> Tensor:
        """Colours around their mean, as the latents of a trained encoder are."""
        return (self.colours - self.colours.mean(0))[codes.tensor[..., 0]].permute(0, 3, 1, 2)

    def nearest(self, latents: Tensor) -> Indices:
        flat = latents.permute(0, 2, 3, 1).flatten(0, 2) + self.colours.mean(0)
        shape = (len(latents), *latents.shape[2:], 1)
        return Indices(torch.cdist(flat, self.colours).argmin(1).view(shape), (len(self.colours),), pooled=True)


def palette() -> Tensor:
    """The six colours of the scenes, float32 ``[6, 3]`` in [0, 1]."""
    return torch.tensor(SCHEMES, dtype=torch.float32).flatten(0, 1) / 255


def shuffled(codes: Continuous | Indices, seed: int) -> Continuous | Indices:
    """Every image's codes at permuted positions of its grid: right colours, no structure."""
    generator = torch.Generator().manual_seed(seed)
    last = isinstance(codes, Continuous)
    tensor = codes.tensor.flatten(2) if last else codes.tensor.flatten(1, 2)
    order = torch.stack([torch.randperm(GRID * GRID, generator=generator) for _ in tensor])
    moved = torch.stack([t[:, o] if last else t[o] for t, o in zip(tensor, order, strict=True)])
    return replace(codes, tensor=moved.reshape(codes.tensor.shape))


def noise(codes: Continuous | Indices, seed: int) -> Continuous | Indices:
    """Codes drawn evenly from all there are."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(codes, Indices):
        return replace(codes, tensor=torch.randint(codes.levels[0], codes.tensor.shape, generator=generator))
    low, high = codes.tensor.min(), codes.tensor.max()
    return replace(codes, tensor=low + (high - low) * torch.rand(codes.tensor.shape, generator=generator))
