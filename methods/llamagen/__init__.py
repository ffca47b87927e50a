"""The entry of LlamaGen's image tokenizers: what the harness may ask of them."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.settings import published_takes
from methods.llamagen import presets

ENTRY = MethodEntry(
    name="llamagen",
    title="LlamaGen",
    summary="Vector-quantised autoencoder of LlamaGen with unit-length codes (Sun et al. 2024), published weights",
    code="methods.llamagen.method:METHOD",
    settings=presets.settings,
    takes=published_takes,
    source="methods.llamagen",
    variants=tuple(presets.TABLE),
)
