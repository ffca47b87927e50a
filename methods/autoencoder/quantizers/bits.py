"""Lookup-free quantisation: a bit per channel (LFQ, Yu et al. 2024); on the unit sphere BSQ (Zhao et al. 2025)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.autoencoder.losses import straight_through
from methods.autoencoder.quantised_settings import BitSettings
from methods.autoencoder.quantizers.quantizer import Quantised

if TYPE_CHECKING:
    from bench.contract import Comm


class BitQuantizer(nn.Module):
    """Channel i is its sign, times ``1 / sqrt(bits)`` on the sphere. Nothing to train, no table of codes.

    See :class:`methods.autoencoder.quantizers.quantizer.Quantizer`.
    """

    key, loss_name, pooled = "quantize", "entropy", False

    def __init__(self, settings: BitSettings, seed: int) -> None:
        super().__init__()
        self.settings = settings
        self.scale = settings.embed_dim**-0.5 if settings.spherical else 1.0

    @property
    def levels(self) -> tuple[int, ...]:
        """A bit per channel."""
        return (2,) * self.settings.embed_dim

    @property
    def dim(self) -> int:
        """A channel per bit."""
        return self.settings.embed_dim

    @property
    def codebook(self) -> Tensor:
        """The two values of a channel, float32 ``[2, 1]``: of the code vectors nothing is stored."""
        return torch.tensor([[-self.scale], [self.scale]])

    def projected(self, z: Tensor) -> Tensor:
        """Latents ``[N, D, G, G]`` as they are compared with codes: of unit length on the sphere."""
        return F.normalize(z, dim=1) if self.settings.spherical else z

    def search(self, z: Tensor) -> Tensor:
        """Latents ``[N, D, G, G]`` to bits, int64 ``[N, G, G, D]``; zero counts as negative."""
        return (z.permute(0, 2, 3, 1) > 0).long()

    def lookup(self, indices: Tensor) -> Tensor:
        """Bits int64 ``[N, G, G, D]`` to code vectors ``[N, D, G, G]``."""
        return ((2.0 * indices - 1.0) * self.scale).permute(0, 3, 1, 2).contiguous()

    def forward(self, z: Tensor, step: int, gather: bool) -> Quantised:
        """Code vectors with a straight-through gradient, the weighted entropy and commitment, and the bits."""
        vectors, indices = self.projected(z), self.search(z)
        code = self.lookup(indices)
        settings = self.settings
        certain, spread = entropies(self.logits(vectors), settings.group)
        commitment = F.mse_loss(vectors, code)
        loss = settings.entropy_weight * (certain - settings.diversity * spread) + settings.commitment * commitment
        return Quantised(straight_through(vectors, code), loss, indices)

    def logits(self, vectors: Tensor) -> Tensor:
        """The log odds of each bit, ``[M, D]``, where a code c has the weight ``exp(-|z - c|^2 / temperature)``.

        The codes are all sign vectors, so that the bits are independent given z: a softmax over two values each.
        """
        flat = vectors.permute(0, 2, 3, 1).reshape(-1, self.dim)
        return 4.0 * self.scale * flat / self.settings.temperature

    def after_step(self, step: int, comm: Comm) -> None:
        """Nothing: no state."""

    def settle(self) -> None:
        """Nothing: no state."""


def entropies(logits: Tensor, group: int) -> tuple[Tensor, Tensor]:
    """The two terms of the entropy penalty (Yu et al. 2024, eq. 4), in nats, of bits with ``logits`` ``[M, D]``.

    The mean over the vectors of the entropy of their code is exact, a sum over independent bits. The entropy of the
    mean distribution is taken over groups of at most ``group`` bits and summed, an upper bound where there are several
    (Zhao et al. 2025, section 3.2): a table of all codes is never made.
    """
    single = binary_entropy(logits).sum(1).mean()
    parts = torch.sigmoid(logits).chunk(math.ceil(logits.shape[1] / group), 1)
    return single, torch.stack([entropy(joint(part).mean(0)) for part in parts]).sum()


def joint(probability: Tensor) -> Tensor:
    """The distribution over the values of independent bits: ``[M, B] -> [M, 2^B]``; the first bit varies slowest."""
    found = torch.ones_like(probability[:, :1])
    for bit in probability.unbind(1):
        both = torch.stack([1 - bit, bit], 1)
        found = (found[:, :, None] * both[:, None]).flatten(1)
    return found


def entropy(distribution: Tensor) -> Tensor:
    """In nats, over the last axis. The gradient stays finite where a probability is zero."""
    return -(distribution * distribution.clamp_min(1e-20).log()).sum(-1)


def binary_entropy(logits: Tensor) -> Tensor:
    """In nats, of each bit. From logits, since a probability of a certain bit is 0 or 1 to the last digit."""
    return F.softplus(logits) - logits * torch.sigmoid(logits)
