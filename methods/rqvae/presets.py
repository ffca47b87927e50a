"""RQ-VAE's widths, variants and recipes by preset. No torch."""

from __future__ import annotations

from dataclasses import replace

from methods.autoencoder.quantised_settings import RQSettings
from methods.autoencoder.recipes import MEDIUM, SMALL, SMOKE, choose, medium_recipe, short_recipe, smoke_recipe

DEFAULTS = {"smoke": "8x8x4", "small": "8x8x4", "medium": "8x8x4", "paper": "8x8x4"}
VARIANTS = ("4x4x4", "8x8x4", "16x16x4", "32x32x4", "8x8x4-ffhq")


CHURCH = RQSettings(
    ch=128,
    ch_mult=(1, 1, 2, 2, 4, 4),
    num_res_blocks=2,
    attn_resolutions=(8,),
    z_channels=256,
    embed_dim=256,
    n_embed=16384,
    reconstruction="mse",
    disc_weight=0.75,
    disc_start=0,
    disc_layers=2,
    batch=128,
    lr=4e-5,
    betas=(0.5, 0.9),
)
"""``church256-rqvae-8x8x4.yaml`` of rq-vae-transformer."""

FFHQ = replace(CHURCH, attn_resolutions=(16,), n_embed=2048)
"""``ffhq256-rqvae-8x8x4.yaml``: the same but for the attention and the codebook."""

SIXTEEN = replace(FFHQ, ch_mult=(1, 1, 2, 2, 4))
"""16x16x4: in the paper's tables; its configuration was not released. The decoder is VQGAN's of 16x16 codes."""


def _ours(settings: RQSettings, kmeans_at: int) -> RQSettings:
    return replace(settings, decay=0.97, restart_below=0.05, kmeans_at=kmeans_at)


TABLE = {
    "smoke": {
        f"{grid}x4": _ours(smoke_recipe(RQSettings(z_channels=16, embed_dim=16, n_embed=64), stem), 16)
        for grid, stem in SMOKE.items()
    },
    "small": {
        f"{grid}x4": replace(
            _ours(short_recipe(RQSettings(z_channels=32, embed_dim=32, n_embed=1024), stem), 64), lr=1.5e-3
        )
        for grid, stem in SMALL.items()
    },
    "medium": {
        f"{grid}x4": _ours(medium_recipe(RQSettings(z_channels=128, embed_dim=64, n_embed=2048), stem), 500)
        for grid, stem in MEDIUM.items()
    },
    "paper": {"8x8x4": CHURCH, "8x8x4-ffhq": FFHQ, "16x16x4": SIXTEEN},
}


def settings(preset: str, variant: str | None) -> RQSettings:
    """The settings of the variant, a grid of codes and a depth, at the preset."""
    return choose(TABLE, preset, variant, DEFAULTS, "RQ-VAE")
