"""Latent diffusion on KL-regularised codes (Rombach et al. 2022, section 3.2). No torch until it is built."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from methods.priors.published import LDM_CHURCH
from methods.priors.small import DIFFUSION

if TYPE_CHECKING:
    from bench.contract import Build, Codes, Learner, Prior, Tokenizer
    from methods.priors.settings import Diffusion

TABLE = {**DIFFUSION, "paper": LDM_CHURCH}
"""The published model on KL codes is that of LSUN-church."""


def settings(preset: str, variant: str | None) -> Diffusion:
    """The diffusion model of a preset; one size serves every downsampling factor but 32 at ``paper``.

    There the codes are 8x8: the U-Net goes without its two coarsest levels, since it cannot halve them four times and
    attention over a single place does nothing. This is ours: the paper trains no such model on churches.
    """
    published = TABLE[preset]
    if (preset, variant) != ("paper", "f32"):
        return published
    unet = published.unet
    return replace(published, unet=replace(unet, channels=unet.channels[:-2], attention=unet.attention[:-2]))


def learner(settings: Diffusion, build: Build, tokenizer: Tokenizer, codes: Codes) -> Learner[Prior]:
    """What trains it."""
    from methods.priors.diffusion import DiffusionLearner

    return DiffusionLearner(settings, build, tokenizer, codes)
