"""The entry of LDM's vector-quantised autoencoders: what the harness may ask of them."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.settings import networks, takes
from methods.vq_ldm import presets, prior

ENTRY = MethodEntry(
    name="vq-ldm",
    title="VQ-LDM",
    summary="Vector-quantised convolutional autoencoder of latent diffusion (Rombach et al. 2022)",
    code="methods.vq_ldm.method:METHOD",
    settings=presets.settings,
    prior_settings=prior.settings,
    networks=networks,
    takes=takes,
    source="methods.vq_ldm",
    variants=presets.VARIANTS,
)
