"""The entry of LDM's vector-quantised autoencoders: what the harness may ask of them."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.vq_ldm.presets import VARIANTS

ENTRY = MethodEntry(
    name="vq-ldm",
    title="VQ-LDM",
    summary="Vector-quantised convolutional autoencoder of latent diffusion (Rombach et al. 2022)",
    settings="methods.vq_ldm.presets:settings",
    learner="methods.autoencoder.quantised:learner",
    prior_settings="methods.vq_ldm.prior:settings",
    prior_learner="methods.vq_ldm.prior:learner",
    read="methods.autoencoder.checkpoint_files:read",
    checkpoint="methods.autoencoder.quantised_checkpoint:checkpoint",
    identify="methods.vq_ldm.checkpoint:identify",
    source="methods.vq_ldm",
    parts="methods.autoencoder.quantised:parts",
    networks="methods.autoencoder.settings:networks",
    variants=VARIANTS,
)
