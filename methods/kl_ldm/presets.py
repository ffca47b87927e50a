"""Widths, variants and recipes of the KL-regularised autoencoders by preset. No torch.

A variant is named by its downsampling factor, as published: ``f8`` halves the image's side three times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from methods.autoencoder.recipes import MEDIUM, SMALL, SMOKE, choose, medium_recipe, short_recipe, smoke_recipe
from methods.autoencoder.settings import PUBLISHED_RATE, AutoencoderSettings

DEFAULTS = {"smoke": "f4", "small": "f4", "medium": "f8", "paper": "f8"}
VARIANTS = ("f4", "f8", "f16", "f32")


@dataclass(frozen=True)
class KLSettings(AutoencoderSettings):
    """``embed_dim`` Gaussian latents per cell; ``kl_weight`` times their KL divergence from N(0, I), summed."""

    kl_weight: float = 1e-6


F8 = KLSettings(
    ch=128,
    ch_mult=(1, 2, 4, 4),
    num_res_blocks=2,
    attn_resolutions=(),
    z_channels=4,
    embed_dim=4,
    reduction="sum",
    disc_weight=0.5,
    disc_start=50_001,
    batch=12,
    lr=12 * PUBLISHED_RATE,
)
"""``autoencoder_kl_32x32x4.yaml`` of latent-diffusion; the others differ in widths, attention and latent channels."""

PAPER = {
    "f4": replace(F8, ch_mult=(1, 2, 4), z_channels=3, embed_dim=3),
    "f8": F8,
    "f16": replace(F8, ch_mult=(1, 1, 2, 2, 4), attn_resolutions=(16,), z_channels=16, embed_dim=16),
    "f32": replace(F8, ch_mult=(1, 1, 2, 2, 4, 4), attn_resolutions=(16, 8), z_channels=64, embed_dim=64),
}


def _latents(variant: str) -> KLSettings:
    """The published latent channels of a downsampling factor."""
    published = PAPER[variant]
    return KLSettings(z_channels=published.z_channels, embed_dim=published.embed_dim)


def _summed(settings: KLSettings) -> KLSettings:
    """A summed loss, as published; its gradients are long, which Adam does not mind and a clip would.

    But two levels without normalisation (``f8`` at ``small``) get lost in the first steps without a clip; theirs is
    that of a mean over the 3 x 64 x 64 values.
    """
    return replace(settings, reduction="sum", clip=None)


TABLE = {
    "smoke": {
        "f4": _summed(smoke_recipe(_latents("f4"), SMOKE["8x8"])),
        "f8": _summed(smoke_recipe(_latents("f8"), SMOKE["4x4"])),
    },
    "small": {
        "f4": _summed(short_recipe(_latents("f4"), SMALL["16x16"])),
        "f8": replace(_summed(short_recipe(_latents("f8"), SMALL["8x8"])), clip=3.0 * 64 * 64),
    },
    "medium": {
        "f4": _summed(medium_recipe(_latents("f4"), MEDIUM["32x32"])),
        "f8": _summed(medium_recipe(_latents("f8"), MEDIUM["16x16"])),
        "f16": _summed(medium_recipe(_latents("f16"), MEDIUM["8x8"])),
    },
    "paper": PAPER,
}


def settings(preset: str, variant: str | None) -> KLSettings:
    """The settings of the variant, a downsampling factor, at the preset."""
    return choose(TABLE, preset, variant, DEFAULTS, "KL-LDM")
