"""What an entropy coder would spend: independent statistics of each channel, gathered from training images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.contract import Sparse
from methods.dct.layout import Layout
from methods.dct.presets import Settings


class ChannelStatistics:
    """The levels of a channel, zero included, as independent draws from one histogram per channel.

    A list of triples is in a fixed order, so its probability is that of the coefficients it stands for: the code
    length is the sum over all blocks and channels of -log2 p(level | channel). Unseen levels share one count per
    channel in proportion to how often all channels together had them. This is the order-0 entropy that arithmetic
    coding of the triples approaches, and the bar that a learned prior must pass. ``images`` counts those seen.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._levels: Tensor | None = None
        self.images = 0
        self._layout: Layout | None = None

    def update(self, codes: Sparse) -> None:
        """Adds the training codes of one or more images; all images have one size."""
        layout = Layout(self._settings, codes.size)
        if self._levels is None:
            self._layout = layout
            self._levels = torch.zeros(layout.shape[0], layout.shape[2], dtype=torch.int64)
        triples = torch.cat(codes.triples).cpu() if codes.triples else torch.empty(0, 3, dtype=torch.int64)
        cells = triples[:, 0] * layout.shape[2] + triples[:, 2]
        self._levels += cells.bincount(minlength=self._levels.numel()).reshape(self._levels.shape)
        self.images += len(codes.triples)

    def costs(self) -> tuple[np.ndarray, np.ndarray]:
        """Bits of each level of each channel, ``[channels, values]``, and of a zero in each channel, ``[channels]``.

        The first is relative to a zero in the same place, so that only non-zeros have to be looked up.
        """
        if self._levels is None or self._layout is None:
            raise ValueError("No training codes were given before the rate was asked for.")
        counts = self._levels.double().numpy()
        blocks = self._layout.blocks_of.double().numpy()
        counts[:, self._layout.limit] = blocks * self.images - counts.sum(1)
        pooled = counts.sum(0) + 1.0
        smoothed = (counts + pooled / pooled.sum()) / (counts.sum(1, keepdims=True) + 1.0)
        bits = -np.log2(smoothed)
        zero = bits[:, self._layout.limit]
        return bits - zero[:, None], zero

    def bits(self, codes: Sparse) -> np.ndarray:
        """Code length of each image, float64 ``[N]``; images may be of another size than those of :meth:`update`."""
        relative, zero = self.costs()
        zeros = zero * Layout(self._settings, codes.size).blocks_of.double().numpy()
        triples = [t.cpu().numpy() for t in codes.triples]
        return np.array([zeros.sum() + relative[t[:, 0], t[:, 2]].sum() for t in triples])
