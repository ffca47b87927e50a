"""The entry of VQGAN: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.vqgan.presets import VARIANTS

ENTRY = MethodEntry(
    name="vqgan",
    title="VQGAN",
    summary="Convolutional autoencoder with a codebook (Esser et al. 2021)",
    settings="methods.vqgan.presets:settings",
    learner="methods.layers.vq:learner",
    prior_settings="methods.vqgan.prior:settings",
    prior_learner="methods.vqgan.prior:learner",
    read="methods.layers.foreign:read",
    checkpoint="methods.layers.vq_checkpoint:checkpoint",
    identify="methods.vqgan.checkpoint:identify",
    source="methods.vqgan",
    parts="methods.layers.vq:parts",
    networks="methods.layers.settings:networks",
    variants=VARIANTS,
)
