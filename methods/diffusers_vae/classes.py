"""The image autoencoders of diffusers: what each takes and gives. Plain data: no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """How one class is called.

    - ``low``: the value of a black pixel on both sides; a white one is 1. -1 for [-1, 1], 0 for [0, 1].
    - ``time``: images and latents have a time axis, of length 1 for an image: ``[N, C, 1, H, W]``.
    - ``discrete``: its codes are indices; those of all others are real-valued latents, of a distribution its mode.
    - ``needs``: the package without which the class cannot be built.
    - ``halvings``: the entry of its configuration from which the pixels along a side of a latent follow: a list with
      one entry more than there are halvings, or the number itself. None: only images of one size are given to it.
    - ``attends``: whether its middle block attends from every latent to every other, unless the configuration says no.
    - ``meta``: its cost is counted without memory; False where the class computes with constants in memory.
    """

    low: float = -1.0
    time: bool = False
    discrete: bool = False
    needs: str | None = None
    meta: bool = True
    halvings: str | None = None
    attends: bool = True


CLASSES: Mapping[str, Kind] = {
    "AsymmetricAutoencoderKL": Kind(halvings="down_block_out_channels"),
    "AutoencoderDC": Kind(halvings="encoder_block_out_channels", attends=False),
    "AutoencoderKL": Kind(halvings="block_out_channels"),
    "AutoencoderKLCosmos": Kind(time=True, meta=False),
    "AutoencoderKLFlux2": Kind(halvings="block_out_channels"),
    "AutoencoderKLHunyuanImage": Kind(halvings="spatial_compression_ratio"),
    "AutoencoderKLHunyuanImageRefiner": Kind(time=True),
    "AutoencoderKLKVAE": Kind(halvings="ch_mult"),
    "AutoencoderKLMagvit": Kind(time=True),
    "AutoencoderKLQwenImage": Kind(time=True, halvings="dim_mult"),
    "AutoencoderKLWan": Kind(time=True),
    "AutoencoderRAE": Kind(low=0.0, needs="transformers"),
    "AutoencoderTiny": Kind(halvings="encoder_block_out_channels", attends=False),
    "VQModel": Kind(discrete=True, halvings="block_out_channels"),
}
"""Every class here is compared with the library's own call of it by a test; others are refused.

Autoencoders of sound, of molecules and of videos that no image can be given to are none of them.
"""
