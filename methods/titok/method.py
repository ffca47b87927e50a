"""What TiTok can do: load published weights; it is not trained here."""

from __future__ import annotations

from bench.contract import Checkpoint, Method
from methods.titok import checkpoint, model
from methods.titok.presets import TiTokSettings

METHOD: Method[TiTokSettings] = Method(
    checkpoint=Checkpoint(checkpoint.read, checkpoint.checkpoint, checkpoint.identify),
    parts=model.parts,
)
