"""What BSQ-ViT can do: load published weights; it is not trained here."""

from __future__ import annotations

from bench.contract import Checkpoint, Method
from methods.bsq_vit import checkpoint, model
from methods.bsq_vit.presets import BSQSettings

METHOD: Method[BSQSettings] = Method(
    checkpoint=Checkpoint(checkpoint.read, checkpoint.checkpoint, checkpoint.identify),
    parts=model.parts,
)
