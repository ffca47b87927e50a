"""What Open-MAGVIT2 can do: load published weights; it is not trained here."""

from __future__ import annotations

from bench.contract import Checkpoint, Method
from methods.autoencoder.magvit_settings import MagvitSettings
from methods.open_magvit2 import checkpoint, model

METHOD: Method[MagvitSettings] = Method(
    checkpoint=Checkpoint(checkpoint.read, checkpoint.checkpoint, checkpoint.identify),
    parts=model.parts,
)
