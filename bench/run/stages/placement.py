"""Pictures of where the codes of an image lie, for methods whose codes are lists of places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.data.export import heat, strip
from bench.run.job import Job

if TYPE_CHECKING:
    import numpy as np

IMAGES, PARTS = 8, 4
SUFFIX = "placement.png"


def pictures(job: Job, pixels: np.ndarray) -> dict[str, bytes]:
    """By file suffix: the images above heat maps of their codes after each quarter of the list; none for most methods.

    ``pixels``: uint8 ``[N, 3, H, W]``, of which the first are shown; their codes are those that the tokenizer gives.
    """
    place = job.cell.code.placement
    if place is None:
        return {}
    import torch

    shown = torch.from_numpy(pixels[:IMAGES].copy()).to(job.device)
    codes = job.tokenizer.open().encode(shown)
    maps = place(job.cell.settings, codes, PARTS)
    largest = max(float(maps.max()), 1.0)
    rows = [heat(maps[:, part] / largest, shown.shape[2], shown.shape[3]) for part in range(PARTS)]
    return {SUFFIX: strip([shown.cpu().numpy(), *rows])}
