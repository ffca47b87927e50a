"""Moving and cutting training batches of images or codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.contract import Batch, Seeds
from bench.core import codes, seeding
from bench.core.images import ImageArray
from bench.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from bench.train.loop import Source


def drawn(source: Source, seed: int, step: int, count: int, flip: bool, part: slice) -> Batch:
    """A ``part`` of the ``count`` images that a training with this seed sees at a step, on the CPU."""
    indices = seeding.step_indices(seed, step, count, len(source))[part]
    seeds = seeding.step_seeds(seed, step, count)[part]
    return source.batch(indices, seeding.step_flips(seed, step, count, flip)[part], seeds)


def check_divisible(batch: int, processes: int) -> None:
    """Raises :class:`UsageError` where the processes cannot take equal shares; micro-batches need not be equal."""
    if batch % processes:
        raise UsageError(
            f"A batch of {batch} cannot be divided among {processes} processes; take a batch that {processes} divides "
            "(batch=K), or one device (--device cuda:0)."
        )


def to(batch: Batch, device: torch.device) -> Batch:
    """The same batch on ``device``."""

    def moved(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.to(device, non_blocking=True)

    moved_codes = None if batch.codes is None else codes.to(batch.codes, device)
    return Batch(batch.seeds, moved(batch.images), moved_codes, moved(batch.labels))


def split(batch: Batch, size: int) -> list[Batch]:
    """The batch in pieces of at most ``size``, in order."""
    if len(batch.seeds) <= size:
        return [batch]
    return [_part(batch, first, min(first + size, len(batch.seeds))) for first in range(0, len(batch.seeds), size)]


def _part(batch: Batch, first: int, last: int) -> Batch:
    return Batch(
        batch.seeds[first:last],
        None if batch.images is None else batch.images[first:last],
        None if batch.codes is None else codes.take(batch.codes, list(range(first, last))),
        None if batch.labels is None else batch.labels[first:last],
    )


@dataclass(frozen=True)
class ImageSource:
    """Images and their labels, where they have any."""

    images: ImageArray

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: np.ndarray, flips: np.ndarray, seeds: Seeds) -> Batch:
        """uint8 ``[B, 3, H, W]`` copied from the memory map, mirrored left to right where ``flips`` says so."""
        import numpy as np
        import torch

        pixels = self.images.pixels[indices]
        pixels[flips] = pixels[flips, ..., ::-1]
        labels = self.images.labels
        return Batch(
            seeds,
            images=torch.from_numpy(np.ascontiguousarray(pixels)),
            labels=None if labels is None else torch.from_numpy(labels[indices].astype(np.int64)),
        )
