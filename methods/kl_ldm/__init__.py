"""The entry of the KL-regularised autoencoders: what the harness may ask of them."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.settings import networks, takes
from methods.kl_ldm import presets, prior

ENTRY = MethodEntry(
    name="kl-ldm",
    title="KL-LDM",
    summary="KL-regularised convolutional autoencoder of latent diffusion (Rombach et al. 2022)",
    code="methods.kl_ldm.method:METHOD",
    settings=presets.settings,
    prior_settings=prior.settings,
    networks=networks,
    takes=takes,
    source="methods.kl_ldm",
    variants=presets.VARIANTS,
)
