"""The entries of ready-made images: ``samples:NAME=PATH`` and ``recons:NAME=PATH``. No torch."""

from __future__ import annotations

from bench.contract import MethodEntry
from bench.ready import Ready, parse

SAMPLES = MethodEntry(
    name="samples",
    title="Ready-made samples",
    summary="samples:NAME=DIR|ZIP|NPZ measures images made elsewhere against the training split",
    settings="methods.ready.adapter:samples",
    images="bench.ready:images",
    takes_rest=True,
)

RECONS = MethodEntry(
    name="recons",
    title="Ready-made reconstructions",
    summary="recons:NAME=DIR|ZIP measures reconstructions made elsewhere, paired by file name",
    settings="methods.ready.adapter:recons",
    images="bench.ready:images",
    takes_rest=True,
)


def samples(preset: str, variant: str | None) -> Ready:
    """The settings of ``samples:NAME=PATH``, equal at every preset."""
    return parse("samples", variant)


def recons(preset: str, variant: str | None) -> Ready:
    """The settings of ``recons:NAME=PATH``, equal at every preset."""
    return parse("recons", variant)
