"""The entry of VA-VAE: what the harness may ask of it."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.settings import published_takes
from methods.va_vae import presets

ENTRY = MethodEntry(
    name="va-vae",
    title="VA-VAE",
    summary="KL-regularised autoencoder aligned with DINOv2 (Yao et al. 2025), published weights",
    code="methods.va_vae.method:METHOD",
    settings=presets.settings,
    takes=published_takes,
    source="methods.va_vae",
    variants=tuple(presets.TABLE),
)
