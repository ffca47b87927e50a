"""The entry of BRICS in the table of methods, and what builds it. Imports no torch."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.brics.presets import VARIANTS

ENTRY = MethodEntry(
    name="brics",
    title="BRICS",
    summary="key codes that query groups of multi-resolution feature grids; StyleGAN2 decoder (arXiv 2305.18601)",
    settings="methods.brics.presets:settings",
    learner="methods.brics.learner:BricsLearner",
    prior_settings="methods.brics.prior:settings",
    prior_learner="methods.brics.prior:learner",
    prior_encoder="methods.brics.prior:encoder",
    decoding_noise="methods.brics.presets:decoding_noise",
    bit_depth="methods.brics.presets:bit_depth",
    parts="methods.brics.parts:parts",
    networks="methods.brics.presets:networks",
    source="methods.brics:source.toml",
    variants=VARIANTS,
)
