"""Pictures of where the codes of an image lie, for methods whose codes are lists of places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.data.export import heat, strip
from bench.run.cells import Cell
from bench.run.session import Session
from bench.run.stages import tokenizers

if TYPE_CHECKING:
    import numpy as np

IMAGES, PARTS = 8, 4
SUFFIX = "placement.png"


def pictures(cell: Cell, session: Session, pixels: np.ndarray) -> dict[str, bytes]:
    """By file suffix: the images above heat maps of their codes after each quarter of the list; none for most methods.

    ``pixels``: uint8 ``[N, 3, H, W]``, of which the first are shown; their codes are those that the tokenizer gives.
    """
    place = cell.code.placement
    if place is None:
        return {}
    import torch

    device = session.device()
    shown = torch.from_numpy(pixels[:IMAGES].copy()).to(device)
    codes = tokenizers.tokenizer(cell, session, device).encode(shown)
    maps = place(cell.settings, codes, PARTS)
    largest = max(float(maps.max()), 1.0)
    rows = [heat(maps[:, part] / largest, shown.shape[2], shown.shape[3]) for part in range(PARTS)]
    return {SUFFIX: strip([shown.cpu().numpy(), *rows])}
