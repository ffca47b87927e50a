"""Official VQ-LDM weights; the layout is that of :mod:`methods.autoencoder.quantised`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.autoencoder import quantised_checkpoint
from methods.vq_ldm.presets import TABLE

if TYPE_CHECKING:
    from methods.autoencoder.checkpoint_files import Foreign
    from methods.autoencoder.quantised_settings import CodebookSettings


def identify(
    settings: CodebookSettings, size: tuple[int, int], foreign: Foreign
) -> tuple[CodebookSettings, str | None]:
    """The settings of a file or run folder, and which published variant it holds, None for none."""
    return quantised_checkpoint.identify(settings, size, foreign, TABLE["paper"])
