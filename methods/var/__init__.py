"""The entry of VAR's image tokenizer: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry, built_size
from methods.var import presets

ENTRY = MethodEntry(
    name="var",
    title="VAR tokenizer",
    summary="Multi-scale residual vector quantisation (Tian et al. 2024), published weights",
    code="methods.var.method:METHOD",
    settings=presets.settings,
    takes=built_size,
    source="methods.var",
    variants=tuple(presets.TABLE),
)
