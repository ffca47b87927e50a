"""VQGAN's network and recipe at every preset, for quantisers that are compared with it on equal terms. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from bench.errors import UsageError
from methods.autoencoder.recipes import MEDIUM, SMALL, SMOKE, medium_recipe, short_recipe, smoke_recipe
from methods.autoencoder.settings import PUBLISHED_RATE, AutoencoderSettings

S = TypeVar("S", bound=AutoencoderSettings)

PRESETS = ("smoke", "small", "medium", "paper")


def on_equal_terms(settings: S, preset: str) -> S:
    """``settings`` with encoder, decoder, losses, rates and batch of VQGAN's default at the preset."""
    if preset == "smoke":
        return smoke_recipe(replace(settings, z_channels=16), SMOKE["8x8"])
    if preset == "small":
        return short_recipe(replace(settings, z_channels=32), SMALL["16x16"])
    if preset == "medium":
        return medium_recipe(replace(settings, z_channels=128), MEDIUM["16x16"])
    return replace(
        settings,
        ch=128,
        ch_mult=(1, 1, 2, 2, 4),
        num_res_blocks=2,
        attn_resolutions=(16,),
        z_channels=256,
        batch=12,
        lr=12 * PUBLISHED_RATE,
        disc_start=10_000,
    )


def choose(table: Mapping[str, S], preset: str, variant: str | None, default: str, method: str) -> S:
    """The settings of a variant, a number of bits, at the preset; None is the default.

    Raises :class:`UsageError` for a preset or a variant that there is not, naming those there are.
    """
    if preset not in PRESETS:
        raise UsageError(f"{method} has no preset '{preset}'; it has {', '.join(PRESETS)}.")
    name = variant or default
    if name not in table:
        raise UsageError(f"{method} has no variant '{name}'; it has {', '.join(table)}, the bits of a cell.")
    return on_equal_terms(table[name], preset)
