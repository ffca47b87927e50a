"""DCT's entry and settings. No torch at import."""

from __future__ import annotations

from bench.contract import AnySize, MethodEntry
from methods.dct import presets, prior_presets

ENTRY = MethodEntry(
    name="dct",
    title="DCT",
    summary="sparse quantised block-DCT coefficients (dct:q=50), no training; DCTransformer as its prior",
    code="methods.dct.method:METHOD",
    settings=presets.settings,
    prior_settings=prior_presets.settings,
    takes=AnySize(),
    source="methods.dct",
)
