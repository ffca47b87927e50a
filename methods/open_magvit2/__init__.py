"""The entry of Open-MAGVIT2's image tokenizers: what the harness may ask of them."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.magvit_settings import takes
from methods.open_magvit2 import presets

ENTRY = MethodEntry(
    name="open-magvit2",
    title="Open-MAGVIT2",
    summary="Lookup-free quantisation, one bit a channel (Luo et al. 2024), published weights",
    code="methods.open_magvit2.method:METHOD",
    settings=presets.settings,
    takes=takes,
    source="methods.open_magvit2",
    variants=presets.VARIANTS,
)
