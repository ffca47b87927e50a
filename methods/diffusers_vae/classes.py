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
    - ``meta``: its cost is counted without memory; False where the class computes with constants in memory.
    """

    low: float = -1.0
    time: bool = False
    discrete: bool = False
    needs: str | None = None
    meta: bool = True


CLASSES: Mapping[str, Kind] = {
    "AsymmetricAutoencoderKL": Kind(),
    "AutoencoderDC": Kind(),
    "AutoencoderKL": Kind(),
    "AutoencoderKLCosmos": Kind(time=True, meta=False),
    "AutoencoderKLFlux2": Kind(),
    "AutoencoderKLHunyuanImage": Kind(),
    "AutoencoderKLHunyuanImageRefiner": Kind(time=True),
    "AutoencoderKLKVAE": Kind(),
    "AutoencoderKLMagvit": Kind(time=True),
    "AutoencoderKLQwenImage": Kind(time=True),
    "AutoencoderKLWan": Kind(time=True),
    "AutoencoderRAE": Kind(low=0.0, needs="transformers"),
    "AutoencoderTiny": Kind(),
    "VQModel": Kind(discrete=True),
}
"""Every class here is compared with the library's own call of it by a test; others are refused.

Autoencoders of sound, of molecules and of videos that no image can be given to are none of them.
"""
