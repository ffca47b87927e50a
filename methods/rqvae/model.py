"""RQ-VAE: encoder, residual quantiser, decoder (Lee et al. 2022, figure 2), with the official key names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench.contract import Indices
from bench.core.digest import of_weights
from bench.core.images import from_signed, to_signed
from methods.autoencoder.autoencoder import Decoder, Encoder
from methods.autoencoder.learner import AutoencoderLearner
from methods.autoencoder.model import Pass, check_images, conv1x1, place
from methods.autoencoder.model import parts as autoencoder_parts
from methods.autoencoder.quantised_settings import RQSettings
from methods.autoencoder.quantizers.codebook import used_share
from methods.autoencoder.quantizers.rq import ResidualQuantizer
from methods.autoencoder.settings import Architecture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.contract import Build, Codes, Comm, Part, Seeds


class RQModel(nn.Module):
    """Encoder, 1x1 convolution, residual quantiser, 1x1 convolution, decoder."""

    def __init__(self, architecture: Architecture, settings: RQSettings, seed: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = Encoder(architecture)
        self.decoder = Decoder(architecture)
        self.quantizer = ResidualQuantizer(settings, seed)
        self.quant_conv = conv1x1(architecture.z_channels, settings.embed_dim)
        self.post_quant_conv = conv1x1(settings.embed_dim, architecture.z_channels)

    def latents(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to latents before quantisation, ``[N, D, G, G]``."""
        return self.quant_conv(self.encoder(images))

    def images(self, latents: Tensor) -> Tensor:
        """Quantised latents to images, nominally in [-1, 1]."""
        return self.decoder(self.post_quant_conv(latents))

    def reconstruct(self, images: Tensor, seeds: Seeds, step: int, gather: bool) -> Pass:
        """See :class:`methods.autoencoder.model.Autoencoder`."""
        latents = self.latents(images)
        with torch.autocast(latents.device.type, enabled=False):
            z, loss, indices = self.quantizer(latents.float(), step, gather)
        parts = {"commitment": loss.detach()}
        if indices is not None:
            parts["codebook-use"] = used_share(indices, self.quantizer.settings.n_embed)
        return Pass(self.images(z), loss, parts)

    def after_step(self, step: int, comm: Comm) -> None:
        """Applies the codebooks' statistics."""
        self.quantizer.after_step(step, comm)

    def settle(self) -> None:
        """Starts codebooks that training was too short to start."""
        self.quantizer.settle()


class RQTokenizer:
    """Images to residual codes, int64 ``[N, G, G, depth]``, and back."""

    def __init__(self, model: RQModel, settings: RQSettings) -> None:
        self.model = model.eval().requires_grad_(False)
        self.settings = settings
        self.revision = of_weights(model.state_dict(), (settings, model.architecture))

    @torch.no_grad()
    def encode(self, images: Tensor) -> Indices:
        """``images``: uint8 ``[N, 3, H, W]``, sides a multiple of the tokenizer's stride."""
        check_images(images, self.model.architecture)
        latents = self.model.latents(to_signed(images)).float()
        indices, _, _ = self.model.quantizer.search(latents.permute(0, 2, 3, 1))
        return Indices(indices, self.settings.n_embed)

    @torch.no_grad()
    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Float32 ``[N, 3, H, W]`` in [0, 1]; there is no noise to turn on."""
        assert isinstance(codes, Indices)
        return from_signed(self.model.images(self.model.quantizer.lookup(codes.tensor))).float().clamp(0, 1)

    @property
    def codebook(self) -> Tensor:
        """The vectors of the first depth's codebook, shared by all depths as published: float32 ``[K, D]``."""
        return self.model.quantizer.books[0].codes


def learner(settings: RQSettings, build: Build) -> AutoencoderLearner:
    """What trains the tokenizer."""
    model = RQModel(settings.architecture(build.size), settings, build.seed)
    place(model, build)
    return AutoencoderLearner(model, settings, build, lambda: RQTokenizer(model, settings))


def parts(settings: RQSettings, build: Build) -> Sequence[Part]:
    """Bare encoder and decoder, as the published costs count them."""
    books = 1 if settings.shared else settings.depth
    return autoencoder_parts(settings.architecture(build.size), books * settings.n_embed * settings.embed_dim)
