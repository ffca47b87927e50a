"""The entry of BRICS in the table of methods, and what builds it. Imports no torch."""

from __future__ import annotations

from bench.contract import MethodEntry, built_size
from methods.brics import presets, prior

ENTRY = MethodEntry(
    name="brics",
    title="BRICS",
    summary="key codes that query groups of multi-resolution feature grids; StyleGAN2 decoder (arXiv 2305.18601)",
    code="methods.brics.method:METHOD",
    settings=presets.settings,
    prior_settings=prior.settings,
    networks=presets.networks,
    decoding_noise=presets.decoding_noise,
    bit_depth=presets.bit_depth,
    takes=built_size,
    source="methods.brics:source.toml",
    variants=presets.VARIANTS,
)
