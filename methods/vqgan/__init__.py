"""The entry of VQGAN: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.vqgan.presets import VARIANTS

ENTRY = MethodEntry(
    name="vqgan",
    title="VQGAN",
    summary="Convolutional autoencoder with a codebook (Esser et al. 2021)",
    settings="methods.vqgan.presets:settings",
    learner="methods.autoencoder.quantised:learner",
    prior_settings="methods.vqgan.prior:settings",
    prior_learner="methods.vqgan.prior:learner",
    read="methods.autoencoder.checkpoint_files:read",
    checkpoint="methods.autoencoder.quantised_checkpoint:checkpoint",
    identify="methods.vqgan.checkpoint:identify",
    source="methods.vqgan",
    parts="methods.autoencoder.quantised:parts",
    networks="methods.autoencoder.settings:networks",
    variants=VARIANTS,
)
