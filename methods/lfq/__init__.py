"""The entry of LFQ: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.settings import networks, takes
from methods.lfq import presets
from methods.priors import raster

ENTRY = MethodEntry(
    name="lfq",
    title="LFQ",
    summary="One bit a channel, lookup-free (Yu et al. 2024), in VQGAN's network",
    code="methods.lfq.method:METHOD",
    settings=presets.settings,
    prior_settings=raster.settings,
    networks=networks,
    takes=takes,
    source="methods.lfq",
    variants=tuple(presets.TABLE),
)
