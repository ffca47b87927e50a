"""Latent diffusion on KL-regularised codes (Rombach et al. 2022, section 3.2). No torch until it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.priors.published import LDM_CHURCH
from methods.priors.small import DIFFUSION

if TYPE_CHECKING:
    from bench.contract import Build, Codes, Learner, Prior, Tokenizer
    from methods.priors.settings import Diffusion

TABLE = {**DIFFUSION, "paper": LDM_CHURCH}
"""The published model on KL codes is that of LSUN-church."""


def settings(preset: str, variant: str | None) -> Diffusion:
    """The diffusion model of a preset; one size serves every downsampling factor."""
    return TABLE[preset]


def learner(settings: Diffusion, build: Build, tokenizer: Tokenizer, codes: Codes) -> Learner[Prior]:
    """What trains it."""
    from methods.priors.diffusion import DiffusionLearner

    return DiffusionLearner(settings, build, tokenizer, codes)
