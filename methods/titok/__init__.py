"""The entry of TiTok: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry, built_size
from methods.titok import presets

ENTRY = MethodEntry(
    name="titok",
    title="TiTok",
    summary="A list of tokens without a grid, by transformers (Yu et al. 2024), published weights",
    code="methods.titok.method:METHOD",
    settings=presets.settings,
    takes=built_size,
    source="methods.titok",
    variants=tuple(presets.TABLE),
)
