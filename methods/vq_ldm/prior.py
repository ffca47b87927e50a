"""Latent diffusion on vector-quantised codes (Rombach et al. 2022, section 3.2). No torch until it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from methods.priors.published import LDM_FFHQ
from methods.priors.small import DIFFUSION

if TYPE_CHECKING:
    from bench.contract import Build, Codes, Learner, Prior, Tokenizer
    from methods.autoencoder.quantised import QuantisedTokenizer
    from methods.priors.settings import Diffusion

TABLE = {**DIFFUSION, "paper": LDM_FFHQ}
"""The published model on vector-quantised codes is that of FFHQ."""


def settings(preset: str, variant: str | None) -> Diffusion:
    """The diffusion model of a preset; one size serves every downsampling factor."""
    return TABLE[preset]


def learner(settings: Diffusion, build: Build, tokenizer: Tokenizer, codes: Codes) -> Learner[Prior]:
    """What trains it: a diffusion model over the code vectors."""
    from methods.priors.embedded import EmbeddedDiffusionLearner

    return EmbeddedDiffusionLearner(settings, build, cast("QuantisedTokenizer", tokenizer), codes)
