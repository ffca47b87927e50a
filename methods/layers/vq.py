"""The vector-quantised autoencoder of VQGAN and of LDM's VQ variants, with their official key names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contract import Indices
from bench.digest import of_weights
from bench.images import from_signed, to_signed
from methods.layers.autoencoder import Decoder, Encoder
from methods.layers.codebook import Codebook, used_share
from methods.layers.kmeans import KMeansStart
from methods.layers.learner import AutoencoderLearner
from methods.layers.losses import codebook_loss, straight_through
from methods.layers.model import Pass, check_images, conv1x1, place
from methods.layers.model import parts as autoencoder_parts
from methods.layers.settings import Architecture
from methods.layers.vq_settings import VQSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.contract import Build, Codes, Comm, Part, Seeds


class VectorQuantizer(nn.Module):
    """The bottleneck; key name ``embedding.weight``. Always in float32, also under autocast."""

    def __init__(self, settings: VQSettings, seed: int) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = Codebook(settings.n_embed, settings.embed_dim, settings.moving(), seed)
        self.start: KMeansStart | None = None
        if settings.kmeans_at:
            self.start = KMeansStart(settings.kmeans_at, 4 * settings.n_embed, settings.embed_dim, seed)

    def indices(self, z: Tensor) -> Tensor:
        """Latents ``[N, D, G, G]`` to the nearest codes, int64 ``[N, G, G]``."""
        return self.embedding.search(z.permute(0, 2, 3, 1))

    def lookup(self, indices: Tensor) -> Tensor:
        """Codes int64 ``[N, G, G]`` to their vectors ``[N, D, G, G]``."""
        return self.embedding(indices).permute(0, 3, 1, 2).contiguous()

    def forward(self, z: Tensor, step: int, gather: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """Quantised latents with a straight-through gradient, the weighted loss, and the codes.

        Before the k-means start the latents pass as they are and there are no codes.
        """
        vectors = z.permute(0, 2, 3, 1)
        if self.start is not None and step < self.start.steps:
            if gather:
                self.start.gather(vectors)
            return z, z.new_zeros(()), None
        indices = self.embedding.search(vectors)
        if gather:
            self.embedding.gather(vectors, indices)
        code = self.lookup(indices)
        return straight_through(z, code), self.settings.codebook_weight * self.loss(z, code), indices

    def after_step(self, step: int, comm: Comm) -> None:
        """Applies what was gathered; at the last step before quantisation, starts the codebook."""
        if self.start is None or step >= self.start.steps:
            self.embedding.apply_step(step, comm)
            return
        self.start.apply_step(comm)
        if step + 1 == self.start.steps:
            self.settle()
            self.start.end()

    def settle(self) -> None:
        """Starts the codebook, unless it has started or never had a step to learn from.

        Before its time, for a preview or a training that ends earlier, this leaves what is remembered as it is.
        """
        if self.start is None or not len(vectors := self.start.latest()):
            return
        codes = self.start.means(vectors, self.embedding.count, "codebook")
        self.embedding.start(codes, vectors, len(vectors) / float(self.start.per_step))

    def loss(self, z: Tensor, code: Tensor) -> Tensor:
        """The codebook loss; of a moving average, the commitment alone."""
        if self.embedding.moving is not None:
            return self.settings.beta * F.mse_loss(z, code.detach())
        return codebook_loss(z, code, self.settings.beta, self.settings.legacy)


class VQModel(nn.Module):
    """Encoder, 1x1 convolution, codebook, 1x1 convolution, decoder (Esser et al. 2021, figure 2)."""

    def __init__(self, architecture: Architecture, settings: VQSettings, seed: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = Encoder(architecture)
        self.decoder = Decoder(architecture)
        self.quantize = VectorQuantizer(settings, seed)
        self.quant_conv = conv1x1(architecture.z_channels, settings.embed_dim)
        self.post_quant_conv = conv1x1(settings.embed_dim, architecture.z_channels)

    def latents(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to latents before quantisation, ``[N, D, G, G]``."""
        return self.quant_conv(self.encoder(images))

    def images(self, latents: Tensor) -> Tensor:
        """Quantised latents to images, nominally in [-1, 1]."""
        return self.decoder(self.post_quant_conv(latents))

    def reconstruct(self, images: Tensor, seeds: Seeds, step: int, gather: bool) -> Pass:
        """See :class:`methods.layers.model.Autoencoder`."""
        latents = self.latents(images)
        with torch.autocast(latents.device.type, enabled=False):
            z, loss, indices = self.quantize(latents.float(), step, gather)
        parts = {"codebook": loss.detach()}
        if indices is not None:
            parts["codebook-use"] = used_share(indices, self.quantize.embedding.count)
        return Pass(self.images(z), loss, parts)

    def after_step(self, step: int, comm: Comm) -> None:
        """Applies the codebook's statistics."""
        self.quantize.after_step(step, comm)

    def settle(self) -> None:
        """Starts a codebook that training was too short to start."""
        self.quantize.settle()


class VQTokenizer:
    """Images to the indices of the nearest codes, int64 ``[N, G, G]``, and back."""

    def __init__(self, model: VQModel, settings: VQSettings) -> None:
        self.model = model.eval().requires_grad_(False)
        self.settings = settings
        self.revision = of_weights(model.state_dict(), (settings, model.architecture))

    @torch.no_grad()
    def encode(self, images: Tensor) -> Indices:
        """``images``: uint8 ``[N, 3, H, W]``, sides a multiple of the tokenizer's stride."""
        check_images(images, self.model.architecture)
        latents = self.model.latents(to_signed(images)).float()
        return Indices(self.model.quantize.indices(latents), self.settings.n_embed)

    @torch.no_grad()
    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Float32 ``[N, 3, H, W]`` in [0, 1]; there is no noise to turn on."""
        assert isinstance(codes, Indices)
        return from_signed(self.model.images(self.embed(codes))).clamp(0, 1)

    @property
    def codebook(self) -> Tensor:
        """The code vectors, float32 ``[K, D]``."""
        return self.model.quantize.embedding.codes

    @torch.no_grad()
    def embed(self, codes: Indices) -> Tensor:
        """The code vectors, float32 ``[N, D, G, G]``: the latents that a continuous prior models."""
        return self.model.quantize.lookup(codes.tensor)

    @torch.no_grad()
    def nearest(self, latents: Tensor) -> Indices:
        """The codes nearest to latents ``[N, D, G, G]``."""
        return Indices(self.model.quantize.indices(latents), self.settings.n_embed)


def learner(settings: VQSettings, build: Build) -> AutoencoderLearner:
    """What trains the tokenizer."""
    model = VQModel(settings.architecture(build.resolution), settings, build.seed)
    place(model, build)
    return AutoencoderLearner(model, settings, build, lambda: VQTokenizer(model, settings))


def parts(settings: VQSettings, build: Build) -> Sequence[Part]:
    """Bare encoder and decoder, as the published costs count them."""
    return autoencoder_parts(settings.architecture(build.resolution), settings.n_embed * settings.embed_dim)
