"""The trained tokenizer: uint8 images to key codes and back to images in [0, 1]."""

from __future__ import annotations

from functools import cached_property
from typing import TypeGuard

import torch
from torch import Tensor

from bench.contract import Codes, Continuous, Indices, Seeds, Tokenizer
from bench.core import digest, seeding
from bench.core.images import from_signed, to_signed
from bench.errors import UsageError
from methods.brics.model import Autoencoder, DecoderNoise, Posterior


def decoder_noise(model: Autoencoder, seeds: Seeds, device: torch.device) -> DecoderNoise:
    """The paper's noise for one image per seed: on the keys and, where the decoder has them, its noise inputs."""
    settings = model.settings
    keys = synthesis = None
    if settings.key_noise:
        shape = (settings.code_channels, settings.code_side, settings.code_side)
        keys = seeding.normal(seeds, shape, "brics-keys", device)
    if settings.synthesis_noise:
        synthesis = seeding.normal(seeds, (model.synthesis.noise_size,), "brics-synthesis", device)
    return DecoderNoise(keys, synthesis)


class BricsTokenizer:
    """See :class:`bench.contract.Tokenizer`. Codes are :class:`Continuous`, float32 ``[N, C, s, s]`` in [0, 1].

    With the setting ``bits`` they are :class:`Indices` ``[N, s, s, C]`` of 2^bits equally spaced levels, 0 and 1 among
    them.
    """

    def __init__(self, model: Autoencoder, resolution: int, channels_last: bool = False) -> None:
        self.model = model
        self.resolution = resolution
        self.layout = torch.channels_last if channels_last else torch.contiguous_format

    @cached_property
    def revision(self) -> str:
        """Digest of weights, settings and resolution."""
        return digest.of_weights(self.model.state_dict(), [self.model.settings, self.resolution])

    def encode(self, images: Tensor) -> Codes:
        """Key codes of the posterior's mode. Raises :class:`UsageError` for images of another size."""
        keys = self.posterior(images).mode()
        bits = self.model.settings.bits
        if bits is None:
            return Continuous(keys, 0.0, 1.0)
        symbols = (keys * (2**bits - 1)).round().long().permute(0, 2, 3, 1)
        return Indices(symbols, (2**bits,) * symbols.shape[-1], pooled=True)

    @torch.no_grad()
    def posterior(self, images: Tensor) -> Posterior:
        """What the encoder says of uint8 images. Raises :class:`UsageError` for images of another size."""
        if images.shape[-2:] != (self.resolution, self.resolution):
            height, width = images.shape[-2:]
            raise UsageError(
                f"This BRICS tokenizer takes {self.resolution}x{self.resolution} px, not {width}x{height}; "
                "prepare the images at its resolution."
            )
        return self.model.posterior(to_signed(images).contiguous(memory_format=self.layout))

    @torch.no_grad()
    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Images float32 ``[N, 3, S, S]`` in [0, 1]; ``noise`` turns on the noise of keys and decoder."""
        keys = _keys(codes)
        on = DecoderNoise() if noise is None else decoder_noise(self.model, noise, keys.device)
        return from_signed(self.model.decode(keys, on)).clamp(0, 1)


def _keys(codes: Codes) -> Tensor:
    """Key codes float32 ``[N, C, s, s]`` in [0, 1]. Raises :class:`UsageError` for codes of another kind."""
    if isinstance(codes, Continuous):
        return codes.tensor
    if isinstance(codes, Indices):
        return codes.tensor.permute(0, 3, 1, 2).float() / (codes.levels[0] - 1)
    raise UsageError(f"BRICS decodes continuous codes or rounded ones, not {type(codes).__name__}.")


class PosteriorEncoder:
    """Encodes images to the posterior of their keys; see :class:`bench.contract.Encoder`.

    Codes are :class:`Continuous` without bounds, float32 ``[N, 2 C, s, s]``: means, then log-variances, both before the
    sigmoid.
    """

    def __init__(self, tokenizer: BricsTokenizer) -> None:
        self.tokenizer = tokenizer
        self.revision = digest.of_value([tokenizer.revision, "posterior"])

    def encode(self, images: Tensor) -> Codes:
        """The posterior. Raises :class:`UsageError` for images of another size."""
        found = self.tokenizer.posterior(images)
        assert found.log_variance is not None, "only keys with a KL term have a posterior"
        return Continuous(torch.cat([found.mean, found.log_variance], dim=1))


def has_posterior(tokenizer: Tokenizer) -> TypeGuard[BricsTokenizer]:
    """Whether a prior is trained on samples of a posterior: continuous keys with a KL term."""
    if not isinstance(tokenizer, BricsTokenizer):
        return False
    settings = tokenizer.model.settings
    return settings.codes == "c" and settings.bits is None


def drawn_keys(codes: Codes, seeds: Seeds) -> Codes:
    """Keys in [0, 1] from the codes of :class:`PosteriorEncoder`, one draw per image and seed."""
    assert isinstance(codes, Continuous), "a posterior is continuous"
    mean, log_variance = codes.tensor.chunk(2, dim=1)
    noise = seeding.normal(seeds, tuple(mean.shape[1:]), "brics-posterior", mean.device)
    return Continuous(Posterior(mean, log_variance).sample(noise), 0.0, 1.0)
