"""The entry of BSQ-ViT: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry, built_size
from methods.bsq_vit import presets

ENTRY = MethodEntry(
    name="bsq-vit",
    title="BSQ-ViT",
    summary="Signs of a unit vector between transformers (Zhao et al. 2024), published weights",
    code="methods.bsq_vit.method:METHOD",
    settings=presets.settings,
    takes=built_size,
    source="methods.bsq_vit",
    variants=tuple(presets.TABLE),
)
