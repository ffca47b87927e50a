"""The autoencoder with codebooks of VQGAN, LDM's VQ variants and RQ-VAE, with their official key names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from bench.contract import Indices
from bench.core.digest import of_weights
from bench.core.images import from_signed, to_signed
from methods.autoencoder.autoencoder import Decoder, Encoder
from methods.autoencoder.learner import AutoencoderLearner
from methods.autoencoder.model import Pass, check_images, conv1x1, place
from methods.autoencoder.model import parts as autoencoder_parts
from methods.autoencoder.quantised_settings import BitSettings, FSQSettings, QuantisedSettings, RQSettings, VQSettings
from methods.autoencoder.quantizers.bits import BitQuantizer
from methods.autoencoder.quantizers.codebook import used_share
from methods.autoencoder.quantizers.fsq import FiniteScalarQuantizer
from methods.autoencoder.quantizers.quantizer import Quantizer
from methods.autoencoder.quantizers.rq import ResidualQuantizer
from methods.autoencoder.quantizers.simvq import ProjectedQuantizer
from methods.autoencoder.quantizers.vq import VectorQuantizer
from methods.autoencoder.settings import Architecture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.contract import Build, Codes, Comm, Part, Seeds

QUANTIZERS: Mapping[type[object], Callable[[Any, int], Quantizer]] = {
    VQSettings: lambda s, seed: (ProjectedQuantizer if s.codebook == "projected" else VectorQuantizer)(s, seed),
    RQSettings: ResidualQuantizer,
    FSQSettings: FiniteScalarQuantizer,
    BitSettings: BitQuantizer,
}
"""The quantiser that settings ask for, from them and the training seed."""


class QuantisedModel(nn.Module):
    """Encoder, 1x1 convolution, quantiser, 1x1 convolution, decoder (Esser et al. 2021, figure 2).

    The quantiser is a submodule under its own ``key``. Lee et al. 2022, figure 2, is the same with a stack of codes.
    """

    def __init__(self, architecture: Architecture, settings: QuantisedSettings, seed: int) -> None:
        super().__init__()
        self.architecture = architecture
        # In this order, as published, so that one seed gives one initialisation.
        self.encoder = Encoder(architecture)
        self.decoder = Decoder(architecture)
        quantizer = QUANTIZERS[type(settings)](settings, seed)
        self.key = quantizer.key
        self.add_module(quantizer.key, cast(nn.Module, quantizer))
        self.quant_conv = conv1x1(architecture.z_channels, quantizer.dim)
        self.post_quant_conv = conv1x1(quantizer.dim, architecture.z_channels)

    @property
    def bottleneck(self) -> Quantizer:
        """The quantiser."""
        return cast(Quantizer, self.get_submodule(self.key))

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
            quantised = self.bottleneck(latents.float(), step, gather)
        parts = {self.bottleneck.loss_name: quantised.loss.detach()}
        if quantised.indices is not None:
            parts["codebook-use"] = share_of_codes(quantised.indices, self.bottleneck)
        return Pass(self.images(quantised.latents), quantised.loss, parts)

    def after_step(self, step: int, comm: Comm) -> None:
        """Applies the codebooks' statistics."""
        self.bottleneck.after_step(step, comm)

    def settle(self) -> None:
        """Starts codebooks that training was too short to start."""
        self.bottleneck.settle()


def share_of_codes(indices: Tensor, quantizer: Quantizer) -> Tensor:
    """The share of all codes that occur in ``indices`` of a training pass, a scalar.

    Of the values of a symbol where a code is one symbol or the symbols are alike; otherwise of whole cells, without a
    table of their number.
    """
    levels = quantizer.levels
    if quantizer.pooled or len(levels) == 1:
        return used_share(indices, levels[0])
    cells = indices.flatten(0, -2).unique(dim=0)
    return torch.tensor(len(cells) / math.prod(levels), device=indices.device)


class QuantisedTokenizer:
    """Images to codes, int64 ``[N, G, G, depth]`` with a depth of 1 for plain vector quantisation, and back."""

    def __init__(self, model: QuantisedModel, settings: QuantisedSettings) -> None:
        self.model = model.eval().requires_grad_(False)
        self.settings = settings
        self.revision = of_weights(model.state_dict(), (settings, model.architecture))

    @torch.no_grad()
    def encode(self, images: Tensor) -> Indices:
        """``images``: uint8 ``[N, 3, H, W]``, sides a multiple of the tokenizer's stride."""
        check_images(images, self.model.architecture.stride)
        return self.nearest(self.model.latents(to_signed(images)).float())

    @torch.no_grad()
    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Float32 ``[N, 3, H, W]`` in [0, 1]; there is no noise to turn on."""
        assert isinstance(codes, Indices)
        return from_signed(self.model.images(self.embed(codes))).float().clamp(0, 1)

    @property
    def codebook(self) -> Tensor:
        """The code vectors, float32 ``[K, D]``; of several codebooks the first."""
        return self.model.bottleneck.codebook

    @torch.no_grad()
    def embed(self, codes: Indices) -> Tensor:
        """What the codes stand for, float32 ``[N, D, G, G]``: the latents that a continuous prior models."""
        return self.model.bottleneck.lookup(codes.tensor)

    @torch.no_grad()
    def nearest(self, latents: Tensor) -> Indices:
        """The codes of latents ``[N, D, G, G]``."""
        bottleneck = self.model.bottleneck
        return Indices(bottleneck.search(latents), bottleneck.levels, bottleneck.pooled)


def learner(settings: QuantisedSettings, build: Build) -> AutoencoderLearner:
    """What trains the tokenizer."""
    model = QuantisedModel(settings.architecture(build.size), settings, build.seed)
    place(model, build)
    return AutoencoderLearner(model, settings, build, lambda: QuantisedTokenizer(model, settings))


def parts(settings: QuantisedSettings, build: Build) -> Sequence[Part]:
    """Bare encoder and decoder, as the published costs count them."""
    return autoencoder_parts(settings.architecture(build.size), settings.codebook_values())
