"""VQGAN's widths, variants and recipes by preset. No torch."""

from __future__ import annotations

from dataclasses import replace

from methods.autoencoder.quantised_settings import VQSettings, kmeans_codebook
from methods.autoencoder.recipes import MEDIUM, SMALL, SMOKE, choose, medium_recipe, short_recipe, smoke_recipe
from methods.autoencoder.settings import PUBLISHED_RATE

DEFAULTS = {"smoke": "8x8", "small": "16x16", "medium": "16x16", "paper": "16x16"}
VARIANTS = ("4x4", "8x8", "16x16", "32x32")

PAPER = VQSettings(
    ch=128,
    ch_mult=(1, 1, 2, 2, 4),
    num_res_blocks=2,
    attn_resolutions=(16,),
    z_channels=256,
    embed_dim=256,
    n_embed=1024,
    batch=12,
    lr=12 * PUBLISHED_RATE,
    disc_start=10_000,
)
"""``custom_vqgan.yaml`` of taming-transformers, its recipe for a dataset of one's own, at 12 images a step."""

TABLE = {
    "smoke": {
        name: kmeans_codebook(smoke_recipe(VQSettings(z_channels=16, embed_dim=16, n_embed=64), stem), kmeans_at=16)
        for name, stem in SMOKE.items()
    },
    "small": {
        name: kmeans_codebook(short_recipe(VQSettings(z_channels=32, embed_dim=32, n_embed=1024), stem), kmeans_at=64)
        for name, stem in SMALL.items()
    },
    "medium": {
        name: kmeans_codebook(medium_recipe(VQSettings(z_channels=128, embed_dim=64, n_embed=1024), stem), 500)
        for name, stem in MEDIUM.items()
    },
    "paper": {"16x16": PAPER, "32x32": replace(PAPER, ch_mult=(1, 1, 2, 2))},
}


def settings(preset: str, variant: str | None) -> VQSettings:
    """The settings of the variant, a grid of codes, at the preset."""
    return choose(TABLE, preset, variant, DEFAULTS, "VQGAN")
