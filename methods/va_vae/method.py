"""What VA-VAE can do: load published weights; it is not trained here."""

from __future__ import annotations

from bench.contract import Checkpoint, Method
from methods.autoencoder.settings import NetworkSettings
from methods.va_vae import checkpoint

METHOD: Method[NetworkSettings] = Method(
    checkpoint=Checkpoint(checkpoint.read, checkpoint.checkpoint, checkpoint.identify),
    parts=checkpoint.parts,
)
