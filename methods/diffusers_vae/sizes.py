"""Which images an autoencoder of diffusers takes, from its configuration. No torch, where the files are in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.contract import FixedSize, MultiplesOf, Takes
from methods.diffusers_vae.classes import CLASSES, Kind


def of(source: str, subfolder: str, revision: str, size: tuple[int, int]) -> Takes:
    """Multiples of a latent's side, where the class is known to take them; otherwise images of ``size`` alone."""
    folder = Path(source).expanduser()
    if folder.exists():
        config = json.loads((folder / subfolder / "config.json").read_text(encoding="utf-8"))
    else:
        from methods.diffusers_vae.model import configuration

        config = configuration(source, subfolder, revision)
    kind = CLASSES.get(str(config.get("_class_name")), Kind())
    side = _side(kind, config)
    if side is None:
        return FixedSize(*size)
    attends = kind.attends and config.get("mid_block_add_attention", True)
    return MultiplesOf(side, side, side if attends else None, fused=True)


def _side(kind: Kind, config: Mapping[str, Any]) -> int | None:
    """Pixels along a side of a latent."""
    entry = None if kind.halvings is None else config.get(kind.halvings)
    if isinstance(entry, list | tuple):
        return int(2 ** (len(entry) - 1))
    return entry if isinstance(entry, int) else None
