"""What SimVQ can do: load published weights; it is not trained here."""

from __future__ import annotations

from bench.contract import Checkpoint, Method
from methods.simvq import checkpoint, model
from methods.simvq.presets import SimVQSettings

METHOD: Method[SimVQSettings] = Method(
    checkpoint=Checkpoint(checkpoint.read, checkpoint.checkpoint, checkpoint.identify),
    parts=model.parts,
)
