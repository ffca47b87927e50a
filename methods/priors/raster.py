"""A GPT over the codes in raster order (Esser et al. 2021, section 3.2). No torch until it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.priors.published import VQGAN_FFHQ
from methods.priors.small import GPTS

if TYPE_CHECKING:
    from bench.contract import Build, Codes, Learner, Prior, Tokenizer
    from methods.priors.settings import GPT

TABLE = {**GPTS, "paper": VQGAN_FFHQ}


def settings(preset: str, variant: str | None) -> GPT:
    """The GPT of a preset; one size serves every grid of codes."""
    return TABLE[preset]


def learner(settings: GPT, build: Build, tokenizer: Tokenizer, codes: Codes) -> Learner[Prior]:
    """What trains it."""
    from methods.priors.gpt import GPTLearner

    return GPTLearner(settings, build, tokenizer, codes)
