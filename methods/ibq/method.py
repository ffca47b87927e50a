"""What IBQ can do: load published weights; they are not trained here."""

from __future__ import annotations

from bench.contract import Checkpoint, Method
from methods.autoencoder.lookup_model import parts
from methods.autoencoder.settings import LookupSettings
from methods.ibq import checkpoint

METHOD: Method[LookupSettings] = Method(
    checkpoint=Checkpoint(checkpoint.read, checkpoint.checkpoint, checkpoint.identify),
    parts=parts,
)
