"""RQ-VAE's prior: the RQ-Transformer (Lee et al. 2022, section 3.2). No torch until it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bench.errors import UsageError
from methods.priors.published import RQ_350M
from methods.priors.small import RQ_TRANSFORMERS

if TYPE_CHECKING:
    from bench.contract import Build, Codes, Learner, Prior, Tokenizer
    from methods.autoencoder.quantised import QuantisedTokenizer
    from methods.autoencoder.quantised_settings import RQSettings
    from methods.priors.settings import RQTransformer

TABLE = {**RQ_TRANSFORMERS, "paper": RQ_350M}


def settings(preset: str, variant: str | None) -> RQTransformer:
    """The RQ-Transformer of a preset; one size serves every grid of codes."""
    return TABLE[preset]


def learner(settings: RQTransformer, build: Build, tokenizer: Tokenizer, codes: Codes) -> Learner[Prior]:
    """What trains it; raises :class:`UsageError` for a tokenizer with a codebook per depth."""
    from methods.priors.rq_transformer import RQTransformerLearner

    residual = cast("QuantisedTokenizer", tokenizer)
    if not cast("RQSettings", residual.settings).shared:
        raise UsageError("The RQ-Transformer needs one codebook for all depths; train the RQ-VAE with shared=true.")
    return RQTransformerLearner(settings, build, tokenizer, codes, residual.codebook)
