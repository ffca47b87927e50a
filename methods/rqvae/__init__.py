"""The entry of RQ-VAE: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.rqvae.presets import VARIANTS

ENTRY = MethodEntry(
    name="rqvae",
    title="RQ-VAE",
    summary="Convolutional autoencoder with residual codes (Lee et al. 2022)",
    settings="methods.rqvae.presets:settings",
    learner="methods.autoencoder.quantised:learner",
    prior_settings="methods.rqvae.prior:settings",
    prior_learner="methods.rqvae.prior:learner",
    read="methods.autoencoder.checkpoint_files:read",
    checkpoint="methods.autoencoder.quantised_checkpoint:checkpoint",
    identify="methods.rqvae.checkpoint:identify",
    source="methods.rqvae",
    parts="methods.autoencoder.quantised:parts",
    networks="methods.autoencoder.settings:networks",
    variants=VARIANTS,
)
