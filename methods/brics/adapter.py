"""The entry of BRICS in the table of methods, and what builds it. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contract import MethodEntry
from methods.brics.presets import VARIANTS, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.contract import Build, Learner, Part

ENTRY = MethodEntry(
    name="brics",
    title="BRICS",
    summary="key codes that query groups of multi-resolution feature grids; StyleGAN2 decoder (arXiv 2305.18601)",
    settings="methods.brics.presets:settings",
    learner="methods.brics.adapter:learner",
    prior_settings="methods.brics.prior:settings",
    prior_learner="methods.brics.prior:learner",
    prior_encoder="methods.brics.prior:encoder",
    decoding_noise="methods.brics.presets:decoding_noise",
    parts="methods.brics.adapter:parts",
    networks="methods.brics.presets:networks",
    source="methods.brics:source.toml",
    variants=VARIANTS,
)


def learner(settings: Settings, build: Build) -> Learner:
    """What trains a BRICS tokenizer."""
    from methods.brics.learner import BricsLearner

    return BricsLearner(settings, build)


def parts(settings: Settings, build: Build) -> Sequence[Part]:
    """Encoder, retrieval and synthesis."""
    from methods.brics.parts import parts as built

    return built(settings, build)
