"""Open-MAGVIT2: a bit per channel between encoder and decoder (Luo et al. 2024; Yu et al. 2024, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from methods.autoencoder import magvit_checkpoint
from methods.autoencoder.magvit_network import Decoder, Encoder
from methods.autoencoder.magvit_settings import MagvitSettings

if TYPE_CHECKING:
    from bench.contract import Build, Part


class LookupFreeModel(nn.Module):
    """Encoder, signs, decoder; see :class:`methods.autoencoder.code_tokenizer.CodeModel`."""

    def __init__(self, settings: MagvitSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = Encoder(settings)
        self.decoder = Decoder(settings)

    @property
    def stride(self) -> int:
        """Pixels along one side of a cell."""
        return self.settings.stride

    @property
    def levels(self) -> tuple[int, ...]:
        """One bit per channel; channel 0 is the least significant one of the official index."""
        return (2,) * self.settings.z_channels

    def codes(self, images: Tensor) -> Tensor:
        """Images in [-1, 1] to bits, int64 ``[N, G, G, Z]``: 1 where a latent is above 0."""
        return (self.encoder(images) > 0).long().permute(0, 2, 3, 1)

    def images(self, codes: Tensor) -> Tensor:
        """Bits to images, nominally in [-1, 1]; the decoder gets -1 and 1."""
        return self.decoder((2.0 * codes - 1).permute(0, 3, 1, 2).contiguous())


def parts(settings: MagvitSettings, build: Build) -> Sequence[Part]:
    """Encoder and decoder; there is no codebook."""
    return magvit_checkpoint.parts(settings, build, 0)
