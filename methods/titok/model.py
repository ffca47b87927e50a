"""TiTok (Yu et al. 2024): an image as a list of tokens, of a codebook or of real values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contract import Continuous, Part
from bench.core.digest import of_weights
from bench.core.images import from_signed, square, to_signed
from bench.errors import UsageError
from methods.autoencoder.lookup_model import Lookup
from methods.autoencoder.maskgit_network import Decoder as PixelDecoder
from methods.autoencoder.maskgit_settings import MaskGITSettings
from methods.autoencoder.model import check_built_for, check_images, parameters
from methods.autoencoder.quantizers.codebook import nearest
from methods.titok.network import Decoder, Encoder
from methods.titok.presets import TiTokSettings

if TYPE_CHECKING:
    from bench.contract import Build, Codes, Seeds


def patches_of(settings: TiTokSettings, size: tuple[int, int]) -> int:
    """Patches of images of that (height, width). Raises :class:`UsageError` where they are not square or not whole."""
    side = square(size, "TiTok")
    if side % settings.patch:
        raise UsageError(f"TiTok takes images of whole patches of {settings.patch} pixels, not {side}; resize them.")
    return (side // settings.patch) ** 2


class Proxy(nn.Module):
    """The decoder of MaskGIT behind the mean of its code vectors; keys ``pixel_quantize``, ``pixel_decoder``."""

    def __init__(self, settings: TiTokSettings) -> None:
        super().__init__()
        self.pixel_quantize = Lookup(settings.proxy_codes, settings.proxy_size, unit=False)
        self.pixel_decoder = PixelDecoder(MaskGITSettings(ch=settings.proxy_ch, z_channels=settings.proxy_size))

    def forward(self, logits: Tensor) -> Tensor:
        """Logits ``[N, proxy_codes, h, w]`` to images ``[N, 3, 16 h, 16 w]``, nominally in [0, 1]."""
        means = torch.einsum("nkhw,kd->ndhw", logits.softmax(1), self.pixel_quantize.book)
        return self.pixel_decoder(means.contiguous())


class TiTokModel(nn.Module):
    """Encoder, codebook if there is one, decoder. The network's own images are in [0, 1]."""

    def __init__(self, settings: TiTokSettings, size: tuple[int, int]) -> None:
        super().__init__()
        patches = patches_of(settings, size)
        self.settings, self.size = settings, size
        self.latent_tokens = nn.Parameter(torch.empty(settings.tokens, settings.width))
        self.encoder = Encoder(settings, patches)
        self.decoder = Decoder(settings, patches)
        unit = settings.proxy
        self.quantize = Lookup(settings.n_embed, settings.token_size, unit) if settings.n_embed else None
        self.proxy = Proxy(settings) if settings.proxy else None

    @property
    def stride(self) -> int:
        """Pixels along one side of a patch."""
        return self.settings.patch

    @property
    def levels(self) -> tuple[int, ...]:
        """One symbol a token."""
        return (self.settings.n_embed,)

    def latents(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to latents before the codebook, float32 ``[N, D, L]``."""
        check_built_for(images, self.size)
        return self.encoder(images / 2 + 0.5, self.latent_tokens).float()

    def codes(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to codes, int64 ``[N, L, 1]``."""
        assert self.quantize is not None
        vectors = self.latents(images).transpose(1, 2)
        flat = vectors.reshape(-1, vectors.shape[-1])
        found = nearest(F.normalize(flat) if self.quantize.unit else flat, self.quantize.book)
        return found.reshape(len(images), -1, 1)

    def images(self, codes: Tensor) -> Tensor:
        """Codes, int64 ``[N, L, 1]``, to images, nominally in [-1, 1]."""
        assert self.quantize is not None
        return self.pixels(F.embedding(codes[..., 0], self.quantize.book).transpose(1, 2))

    def pixels(self, tokens: Tensor) -> Tensor:
        """Tokens as the decoder gets them, ``[N, D, L]``, to images, nominally in [-1, 1]."""
        decoded = self.decoder(tokens)
        return 2 * (decoded if self.proxy is None else self.proxy(decoded)) - 1


class RealTokens:
    """Images to the mean of the tokens' distributions, float32 ``[N, D, L]``, unbounded, and back."""

    def __init__(self, model: TiTokModel) -> None:
        self.model = model.eval().requires_grad_(False)
        self.revision = of_weights(model.state_dict(), model.settings)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Continuous:
        """``images``: uint8 ``[N, 3, S, S]`` of the side that the model is for."""
        check_images(images, self.model.stride)
        mean, _ = self.model.latents(to_signed(images)).chunk(2, dim=1)
        return Continuous(mean)

    @torch.no_grad()
    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Float32 ``[N, 3, S, S]`` in [0, 1]; there is no noise to turn on."""
        assert isinstance(codes, Continuous)
        return from_signed(self.model.pixels(codes.tensor)).float().clamp(0, 1)


def parts(settings: TiTokSettings, build: Build) -> Sequence[Part]:
    """Encoder with its latent tokens, decoder, and the proxy's decoder, on the meta device."""
    with torch.device("meta"):
        model = TiTokModel(settings, build.size).eval()
        images = torch.empty(1, 3, *build.size)
        tokens = torch.empty(1, settings.token_size, settings.tokens)
    held = {"network": parameters(model.decoder), "codebook": settings.n_embed * settings.token_size}
    own = parameters(model.encoder) + model.latent_tokens.numel()
    found = [
        Part("encoder", "encoder", lambda: model.encoder(images, model.latent_tokens), {"network": own}),
        Part("decoder", "decoder", lambda: model.decoder(tokens), held),
    ]
    if (proxy := model.proxy) is not None:
        side = build.size[0] // settings.patch
        logits = torch.empty(1, settings.proxy_codes, side, side, device="meta")
        held = {"network": parameters(proxy.pixel_decoder), "codebook": parameters(proxy.pixel_quantize)}
        found.append(Part("pixel decoder", "decoder", lambda: proxy(logits), held))
    return found
