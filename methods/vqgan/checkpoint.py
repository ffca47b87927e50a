"""Official VQGAN weights; the layout is that of :mod:`methods.layers.vq`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.layers import vq_checkpoint
from methods.vqgan.presets import TABLE

if TYPE_CHECKING:
    from pathlib import Path


def identify(path: Path) -> tuple[str | None, int | None]:
    """Which published variant a file or run folder holds, and for which resolution, as far as that is known."""
    return vq_checkpoint.identify(path, TABLE["paper"])
