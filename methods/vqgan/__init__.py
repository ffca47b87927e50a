"""The entry of VQGAN: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.settings import networks, takes
from methods.priors import raster
from methods.vqgan import presets

ENTRY = MethodEntry(
    name="vqgan",
    title="VQGAN",
    summary="Convolutional autoencoder with a codebook (Esser et al. 2021)",
    code="methods.vqgan.method:METHOD",
    settings=presets.settings,
    prior_settings=raster.settings,
    networks=networks,
    takes=takes,
    source="methods.vqgan",
    variants=presets.VARIANTS,
)
