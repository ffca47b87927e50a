"""Randomness that depends on coordinates alone: never on call order, batch size, process count or Python's hash."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from bench.contract import Seeds


def derive(*coordinates: str | int) -> int:
    """A seed in [0, 2^63) from the SHA-256 of the coordinates, e.g. ``derive(seed, "flip", step)``."""
    text = "\x1f".join(f"{type(c).__name__}:{c}" for c in coordinates)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*coordinates: str | int) -> torch.Generator:
    """A CPU generator seeded with :func:`derive`."""
    import torch

    return torch.Generator().manual_seed(derive(*coordinates))


def normal(seeds: Seeds, shape: tuple[int, ...], stream: str, device: torch.device | None = None) -> Tensor:
    """Standard normal noise, float32 ``[len(seeds), *shape]``; row i depends on ``seeds[i]`` and ``stream`` alone.

    Drawn on the CPU and moved, so that every device gets the same numbers.
    """
    import torch

    rows = [torch.randn(shape, generator=generator(seed, stream)) for seed in seeds]
    return torch.stack(rows).to(device) if rows else torch.empty((0, *shape), device=device)


def uniform(seeds: Seeds, shape: tuple[int, ...], stream: str, device: torch.device | None = None) -> Tensor:
    """As :func:`normal`, uniform in [0, 1)."""
    import torch

    rows = [torch.rand(shape, generator=generator(seed, stream)) for seed in seeds]
    return torch.stack(rows).to(device) if rows else torch.empty((0, *shape), device=device)


def step_indices(seed: int, step: int, batch: int, count: int) -> np.ndarray:
    """The ``batch`` image numbers (int64, in ``[0, count)``) of a training step, a function of (seed, step) alone.

    Images come in epochs, each a permutation of its own; a batch may span epochs.
    """
    import numpy as np

    first, last = step * batch, (step + 1) * batch
    pieces = []
    for epoch in range(first // count, (last - 1) // count + 1):
        order = np.random.Generator(np.random.PCG64(derive(seed, "epoch", epoch))).permutation(count)
        start = epoch * count
        pieces.append(order[max(first - start, 0) : min(last - start, count)])
    return np.concatenate(pieces)


def step_seeds(seed: int, step: int, batch: int) -> list[int]:
    """One seed per position in a training step's whole batch."""
    return [derive(seed, "step", step, position) for position in range(batch)]


def step_flips(seed: int, step: int, batch: int, enabled: bool) -> np.ndarray:
    """Which positions of a training step's batch are mirrored, bool ``[batch]``; none unless ``enabled``."""
    import numpy as np

    if not enabled:
        return np.zeros(batch, dtype=bool)
    return np.random.Generator(np.random.PCG64(derive(seed, "flip", step))).random(batch) < 0.5
