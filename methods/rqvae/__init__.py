"""The entry of RQ-VAE: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.settings import networks, takes
from methods.rqvae import presets, prior

ENTRY = MethodEntry(
    name="rqvae",
    title="RQ-VAE",
    summary="Convolutional autoencoder with residual codes (Lee et al. 2022)",
    code="methods.rqvae.method:METHOD",
    settings=presets.settings,
    prior_settings=prior.settings,
    networks=networks,
    takes=takes,
    source="methods.rqvae",
    variants=presets.VARIANTS,
)
