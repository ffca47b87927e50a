"""What MaskGIT's tokenizer, VQGAN+ and MaskBit can do: load published weights; they are not trained here."""

from __future__ import annotations

from bench.contract import Checkpoint, Method
from methods.autoencoder.maskgit_settings import MaskGITSettings
from methods.maskgit_vq import checkpoint, model

METHOD: Method[MaskGITSettings] = Method(
    checkpoint=Checkpoint(checkpoint.read, checkpoint.checkpoint, checkpoint.identify),
    parts=model.parts,
)
