"""BRICS's prior: diffusion over the key codes, with the paper's two noise schedules. No torch until it is built.

Keys with a posterior (``codes=c``) are drawn from it anew in every training step, as in the released code.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from bench.contract import SAMPLE_FIELD
from methods.priors.published import BRICS_SCHEDULES
from methods.priors.settings import Diffusion, Sampler
from methods.priors.small import DIFFUSION

if TYPE_CHECKING:
    from bench.contract import Build, Codes, Encoder, Learner, Prior, Tokenizer

TABLE = {**DIFFUSION, "paper": BRICS_SCHEDULES["b"]}


@dataclass(frozen=True)
class BricsPrior:
    """What can be chosen about the prior of BRICS.

    - ``base``: network, training and what else the fields below do not replace.
    - ``schedule``: the paper's letter: "a" is the squared cosine with min-SNR weights, "b" ``cosine_variant_v2``.
    - the others: as in :class:`methods.priors.settings.Diffusion`.
    """

    base: Diffusion
    schedule: Literal["a", "b"] = "b"
    classes: int = 0
    drop: float = 0.1
    sampler: Sampler = field(default="ancestral", metadata=SAMPLE_FIELD)
    steps: int = field(default=1000, metadata=SAMPLE_FIELD)
    eta: float = field(default=0.0, metadata=SAMPLE_FIELD)
    guidance: float = field(default=1.0, metadata=SAMPLE_FIELD)


def settings(preset: str, variant: str | None) -> BricsPrior:
    """The prior of a preset; one size serves every code size.

    The sampler is the paper's at every preset: at the end of these schedules almost no signal is left, where DDIM
    divides the network's error by it (few steps of DDIM gave several times the Fréchet distance).
    """
    base = TABLE[preset]
    return BricsPrior(base, steps=base.steps)


def diffusion(settings: BricsPrior) -> Diffusion:
    """The diffusion model: codes in [-1, 1], continuous time, the schedule of the letter."""
    published = BRICS_SCHEDULES[settings.schedule]
    return replace(
        settings.base,
        schedule=published.schedule,
        min_snr=published.min_snr,
        continuous_time=published.continuous_time,
        scaling=published.scaling,
        clip_sample=published.clip_sample,
        classes=settings.classes,
        drop=settings.drop,
        sampler=settings.sampler,
        steps=settings.steps,
        eta=settings.eta,
        guidance=settings.guidance,
    )


def learner(settings: BricsPrior, build: Build, tokenizer: Tokenizer, codes: Codes) -> Learner[Prior]:
    """What trains it."""
    from methods.brics.tokenizer import drawn_keys, has_posterior
    from methods.priors.diffusion import DiffusionLearner

    draw = drawn_keys if has_posterior(tokenizer) else None
    return DiffusionLearner(diffusion(settings), build, tokenizer, codes, draw)


def encoder(tokenizer: Tokenizer) -> Encoder:
    """The tokenizer itself, or for ``codes=c`` what encodes to the posterior of the keys."""
    from methods.brics.tokenizer import PosteriorEncoder, has_posterior

    return PosteriorEncoder(tokenizer) if has_posterior(tokenizer) else tokenizer
