"""What VAR's tokenizer can do: load published weights; it is not trained here."""

from __future__ import annotations

from bench.contract import Checkpoint, Method
from methods.autoencoder.settings import LookupSettings
from methods.var import checkpoint, model

METHOD: Method[LookupSettings] = Method(
    checkpoint=Checkpoint(checkpoint.read, checkpoint.checkpoint, checkpoint.identify),
    parts=model.parts,
)
