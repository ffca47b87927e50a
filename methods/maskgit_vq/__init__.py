"""The entry of MaskGIT's tokenizer and of its successors VQGAN+ and MaskBit: what the harness may ask of them."""

from __future__ import annotations

from bench.contract import MethodEntry
from methods.autoencoder.maskgit_settings import takes
from methods.maskgit_vq import presets

ENTRY = MethodEntry(
    name="maskgit-vq",
    title="MaskGIT-VQGAN, VQGAN+, MaskBit",
    summary="MaskGIT's network with a codebook or bits (Chang et al. 2022, Weber et al. 2024), published weights",
    code="methods.maskgit_vq.method:METHOD",
    settings=presets.settings,
    takes=takes,
    source="methods.maskgit_vq",
    variants=tuple(presets.TABLE),
)
