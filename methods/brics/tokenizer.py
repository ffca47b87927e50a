"""The trained tokenizer: uint8 images to key codes and back to images in [0, 1]."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from bench import digest, seeding
from bench.contract import Codes, Continuous, Indices, Seeds, UsageError
from bench.images import from_signed, to_signed
from methods.brics.model import Autoencoder, DecoderNoise


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

    @torch.no_grad()
    def encode(self, images: Tensor) -> Codes:
        """Key codes of the posterior's mode. Raises :class:`UsageError` for images of another size."""
        if images.shape[-2:] != (self.resolution, self.resolution):
            height, width = images.shape[-2:]
            raise UsageError(
                f"This BRICS tokenizer takes {self.resolution}x{self.resolution} px, not {width}x{height}; "
                "prepare the images at its resolution."
            )
        signed = to_signed(images).contiguous(memory_format=self.layout)
        keys = self.model.posterior(signed).mode()
        bits = self.model.settings.bits
        if bits is None:
            return Continuous(keys, 0.0, 1.0)
        return Indices((keys * (2**bits - 1)).round().long().permute(0, 2, 3, 1), 2**bits)

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
        return codes.tensor.permute(0, 3, 1, 2).float() / (codes.vocab - 1)
    raise UsageError(f"BRICS decodes continuous codes or rounded ones, not {type(codes).__name__}.")
