"""The entry of BSQ: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.settings import networks, takes
from methods.bsq import presets
from methods.priors import raster

ENTRY = MethodEntry(
    name="bsq",
    title="BSQ",
    summary="One bit a channel of latents of unit length (Zhao et al. 2025), in VQGAN's network",
    code="methods.bsq.method:METHOD",
    settings=presets.settings,
    prior_settings=raster.settings,
    networks=networks,
    takes=takes,
    source="methods.bsq",
    variants=tuple(presets.TABLE),
)
