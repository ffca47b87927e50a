"""The entry of the KL-regularised autoencoders: what the harness may ask of them."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.kl_ldm.presets import VARIANTS

ENTRY = MethodEntry(
    name="kl-ldm",
    title="KL-LDM",
    summary="KL-regularised convolutional autoencoder of latent diffusion (Rombach et al. 2022)",
    settings="methods.kl_ldm.presets:settings",
    learner="methods.kl_ldm.model:learner",
    prior_settings="methods.kl_ldm.prior:settings",
    prior_learner="methods.kl_ldm.prior:learner",
    read="methods.autoencoder.checkpoint_files:read",
    checkpoint="methods.kl_ldm.checkpoint:checkpoint",
    identify="methods.kl_ldm.checkpoint:identify",
    source="methods.kl_ldm",
    parts="methods.kl_ldm.model:parts",
    networks="methods.autoencoder.settings:networks",
    variants=VARIANTS,
)
