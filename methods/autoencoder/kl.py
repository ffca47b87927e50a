"""KL-regularised autoencoder (Rombach et al. 2022, section 3.1 and appendix G), with the official key names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench.contract import Continuous
from bench.core.digest import of_weights
from bench.core.images import from_signed, to_signed
from bench.core.seeding import normal
from methods.autoencoder.autoencoder import Decoder, Encoder
from methods.autoencoder.losses import kl_to_standard_normal
from methods.autoencoder.model import Pass, check_images, conv1x1
from methods.autoencoder.settings import Architecture, NetworkSettings

if TYPE_CHECKING:
    from bench.contract import Codes, Comm, Seeds

LOG_VARIANCE = (-30.0, 20.0)
"""The bounds to which the released code clamps the posterior's log-variance."""


class KLModel(nn.Module):
    """Encoder, 1x1 convolution to mean and log-variance, 1x1 convolution, decoder.

    ``kl_weight``: of the divergence from N(0, I), summed, in the loss.
    """

    def __init__(self, architecture: Architecture, embed_dim: int, kl_weight: float = 0.0) -> None:
        super().__init__()
        self.architecture, self.kl_weight = architecture, kl_weight
        self.encoder = Encoder(architecture)
        self.decoder = Decoder(architecture)
        self.quant_conv = conv1x1(2 * architecture.z_channels, 2 * embed_dim)
        self.post_quant_conv = conv1x1(embed_dim, architecture.z_channels)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents of images in [-1, 1], each ``[N, D, G, G]``."""
        mean, log_variance = self.quant_conv(self.encoder(images)).float().chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE)

    def images(self, latents: Tensor) -> Tensor:
        """Latents to images, nominally in [-1, 1]."""
        return self.decoder(self.post_quant_conv(latents))

    def reconstruct(self, images: Tensor, seeds: Seeds, step: int, gather: bool) -> Pass:
        """See :class:`methods.autoencoder.model.Autoencoder`; the latents are drawn from the posterior."""
        mean, log_variance = self.posterior(images)
        noise = normal(seeds, tuple(mean.shape[1:]), "posterior", mean.device)
        divergence = kl_to_standard_normal(mean, log_variance).mean()
        drawn = mean + (0.5 * log_variance).exp() * noise
        parts = {"kl": divergence.detach()}
        return Pass(self.images(drawn), self.kl_weight * divergence, parts)

    def after_step(self, step: int, comm: Comm) -> None:
        """There is nothing that counts once per step."""

    def settle(self) -> None:
        """There is nothing to settle."""


class KLTokenizer:
    """Images to the mean of the posterior, float32 ``[N, D, G, G]``, unbounded, and back."""

    def __init__(self, model: KLModel, settings: NetworkSettings) -> None:
        self.model = model.eval().requires_grad_(False)
        self.settings = settings
        self.revision = of_weights(model.state_dict(), (settings, model.architecture))

    @torch.no_grad()
    def encode(self, images: Tensor) -> Continuous:
        """``images``: uint8 ``[N, 3, H, W]``, sides a multiple of the tokenizer's stride."""
        check_images(images, self.model.architecture.stride)
        mean, _ = self.model.posterior(to_signed(images))
        return Continuous(mean)

    @torch.no_grad()
    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Float32 ``[N, 3, H, W]`` in [0, 1]; there is no noise to turn on."""
        assert isinstance(codes, Continuous)
        return from_signed(self.model.images(codes.tensor)).float().clamp(0, 1)
