"""The entry of SimVQ's image tokenizers: what the harness may ask of them."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.magvit_settings import takes
from methods.simvq import presets

ENTRY = MethodEntry(
    name="simvq",
    title="SimVQ",
    summary="Vector quantisation by a frozen codebook behind one linear layer (Zhu et al. 2024), published weights",
    code="methods.simvq.method:METHOD",
    settings=presets.settings,
    takes=takes,
    source="methods.simvq",
    variants=tuple(presets.TABLE),
)
