"""Training batches from frozen images (:class:`bench.tasks.fit.Source`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.contract import Batch, ImageArray, Seeds

if TYPE_CHECKING:
    import numpy as np


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
