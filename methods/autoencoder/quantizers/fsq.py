"""Finite scalar quantisation (Mentzer et al. 2024): every channel is bounded and rounded; there is nothing to train."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from methods.autoencoder.losses import straight_through
from methods.autoencoder.quantised_settings import FSQSettings
from methods.autoencoder.quantizers.quantizer import Quantised

if TYPE_CHECKING:
    from bench.contract import Comm

MARGIN = 1e-3
"""Of the range that a channel's bound leaves out on either side, as the authors' code has it."""


class FiniteScalarQuantizer(nn.Module):
    """Channel i has ``levels[i]`` values, spread over about [-1, 1].

    See :class:`methods.autoencoder.quantizers.quantizer.Quantizer`.
    """

    key, loss_name, pooled = "quantize", "no-loss", False

    def __init__(self, settings: FSQSettings, seed: int) -> None:
        super().__init__()
        self._levels = settings.levels
        levels = torch.tensor(settings.levels, dtype=torch.float32)
        half = (levels - 1) * (1 - MARGIN) / 2
        offset = torch.where(levels % 2 == 1, 0.0, 0.5)
        self.register_buffer("reach", half, persistent=False)
        self.register_buffer("offset", offset, persistent=False)
        self.register_buffer("shift", (offset / half).tan(), persistent=False)
        self.register_buffer("middle", (levels / 2).floor(), persistent=False)
        self.reach: Tensor
        self.offset: Tensor
        self.shift: Tensor
        self.middle: Tensor

    @property
    def levels(self) -> tuple[int, ...]:
        """One symbol per channel."""
        return self._levels

    @property
    def dim(self) -> int:
        """One channel per symbol."""
        return len(self._levels)

    @property
    def codebook(self) -> Tensor:
        """All code vectors, float32 ``[prod(levels), D]``, the last channel varying fastest."""
        symbols = torch.cartesian_prod(*(torch.arange(count, device=self.reach.device) for count in self._levels))
        return self._values(symbols.reshape(-1, self.dim))

    def bound(self, vectors: Tensor) -> Tensor:
        """Channels last: within half a level of the outermost ones (the function ``f`` of section 3.1)."""
        return torch.tanh(vectors + self.shift) * self.reach - self.offset

    def search(self, z: Tensor) -> Tensor:
        """Latents ``[N, D, G, G]`` to symbols, int64 ``[N, G, G, D]``."""
        return (self.bound(z.permute(0, 2, 3, 1)).round() + self.middle).long()

    def lookup(self, indices: Tensor) -> Tensor:
        """Symbols int64 ``[N, G, G, D]`` to values ``[N, D, G, G]``."""
        return self._values(indices).permute(0, 3, 1, 2).contiguous()

    def _values(self, symbols: Tensor) -> Tensor:
        return (symbols - self.middle) / self.middle

    def forward(self, z: Tensor, step: int, gather: bool) -> Quantised:
        """Rounded latents; the gradient passes the rounding and not the bound."""
        bounded = self.bound(z.permute(0, 2, 3, 1))
        rounded = straight_through(bounded, bounded.round())
        latents = (rounded / self.middle).permute(0, 3, 1, 2)
        return Quantised(latents, z.new_zeros(()), (rounded.detach().round() + self.middle).long())

    def after_step(self, step: int, comm: Comm) -> None:
        """Nothing: no state."""

    def settle(self) -> None:
        """Nothing: no state."""
