"""Widths, variants and recipes of LDM's vector-quantised autoencoders by preset. No torch.

A variant is named by its downsampling factor, as published: ``f8`` halves the image's side three times.
"""

from __future__ import annotations

from dataclasses import replace

from methods.autoencoder.quantised_settings import VQSettings, kmeans_codebook
from methods.autoencoder.recipes import MEDIUM, SMALL, SMOKE, choose, medium_recipe, short_recipe, smoke_recipe
from methods.autoencoder.settings import PUBLISHED_RATE

DEFAULTS = {"smoke": "f4", "small": "f4", "medium": "f8", "paper": "f4"}
VARIANTS = ("f4", "f4-noattn", "f8", "f8-n256", "f16")

F4 = VQSettings(
    ch=128,
    ch_mult=(1, 2, 4),
    num_res_blocks=2,
    attn_resolutions=(),
    z_channels=3,
    embed_dim=3,
    n_embed=8192,
    disc_weight=0.75,
    disc_start=0,
    batch=8,
    lr=8 * PUBLISHED_RATE,
)
"""``models/first_stage_models/vq-f4/config.yaml`` of latent-diffusion."""

F8 = replace(
    F4,
    ch_mult=(1, 2, 2, 4),
    attn_resolutions=(32,),
    z_channels=4,
    embed_dim=4,
    n_embed=16384,
    disc_weight=0.6,
    disc_start=1,
    disc_layers=2,
    batch=10,
    lr=10 * PUBLISHED_RATE,
)

PAPER = {
    "f4": F4,
    "f4-noattn": replace(F4, mid_attention=False, disc_start=11),
    "f8": F8,
    "f8-n256": replace(F8, n_embed=256, disc_weight=0.75, disc_start=250_001, disc_layers=3),
    "f16": replace(
        F4,
        ch_mult=(1, 1, 2, 2, 4),
        attn_resolutions=(16,),
        z_channels=8,
        embed_dim=8,
        n_embed=16384,
        disc_start=250_001,
        disc_layers=2,
        batch=14,
        lr=14 * PUBLISHED_RATE,
    ),
}


def _latents(variant: str, n_embed: int) -> VQSettings:
    """The published latent channels of a downsampling factor, with a codebook that a short run can fill."""
    published = PAPER[variant]
    return VQSettings(z_channels=published.z_channels, embed_dim=published.embed_dim, n_embed=n_embed)


TABLE = {
    "smoke": {
        "f4": kmeans_codebook(smoke_recipe(_latents("f4", 64), SMOKE["8x8"]), 16),
        "f8": kmeans_codebook(smoke_recipe(_latents("f8", 64), SMOKE["4x4"]), 16),
    },
    "small": {
        "f4": kmeans_codebook(short_recipe(_latents("f4", 1024), SMALL["16x16"]), 64),
        "f8": kmeans_codebook(short_recipe(_latents("f8", 1024), SMALL["8x8"]), 64),
    },
    "medium": {
        "f4": kmeans_codebook(medium_recipe(_latents("f4", 4096), MEDIUM["32x32"]), 500),
        "f8": kmeans_codebook(medium_recipe(_latents("f8", 4096), MEDIUM["16x16"]), 500),
        "f16": kmeans_codebook(medium_recipe(_latents("f16", 4096), MEDIUM["8x8"]), 500),
    },
    "paper": PAPER,
}


def settings(preset: str, variant: str | None) -> VQSettings:
    """The settings of the variant, a downsampling factor, at the preset."""
    return choose(TABLE, preset, variant, DEFAULTS, "VQ-LDM")
