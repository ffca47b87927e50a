"""The entry of FSQ: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.settings import networks, takes
from methods.fsq import presets
from methods.priors import raster

ENTRY = MethodEntry(
    name="fsq",
    title="FSQ",
    summary="Rounded channels without a codebook (Mentzer et al. 2024), in VQGAN's network",
    code="methods.fsq.method:METHOD",
    settings=presets.settings,
    prior_settings=raster.settings,
    networks=networks,
    takes=takes,
    source="methods.fsq",
    variants=tuple(presets.TABLE),
)
