"""The entry of IBQ's image tokenizers: what the harness may ask of them."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.settings import published_takes
from methods.ibq import presets

ENTRY = MethodEntry(
    name="ibq",
    title="IBQ",
    summary="Index backpropagation quantisation, codes by inner product (Shi et al. 2025), published weights",
    code="methods.ibq.method:METHOD",
    settings=presets.settings,
    takes=published_takes,
    source="methods.ibq",
    variants=tuple(presets.TABLE),
)
