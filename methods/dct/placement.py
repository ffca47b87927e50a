"""Where in the image the coefficients of a list lie: the paper's heat maps."""

from __future__ import annotations

import numpy as np

from bench.contract import Codes, Sparse
from bench.errors import UsageError
from methods.dct.layout import Layout
from methods.dct.presets import Settings


def placement(settings: Settings, codes: Codes, stages: int) -> np.ndarray:
    """How many coefficients lie in each luma block after each part of the list, float64 ``[N, stages, rows, columns]``.

    Map s counts the first (s + 1) / ``stages`` of an image's list. A chroma coefficient covers four luma blocks and
    counts a quarter in each.
    """
    if not isinstance(codes, Sparse):
        raise UsageError(f"Only lists of coefficients have places, not {type(codes).__name__}.")
    layout = Layout(settings, codes.size)
    rows, columns = layout.grid
    maps = np.zeros((len(codes.triples), stages, rows, columns))
    plane_of = layout.plane_of.numpy()
    for image, triples in enumerate(codes.triples):
        channel, position, _ = triples.cpu().numpy().T
        stage = np.arange(len(channel)) * stages // max(len(channel), 1)
        luma = plane_of[channel] == 0
        row, column = position // columns, position % columns
        np.add.at(maps[image], (stage[luma], row[luma], column[luma]), 1.0)
        for down in (0, 1):
            for right in (0, 1):
                np.add.at(maps[image], (stage[~luma], row[~luma] + down, column[~luma] + right), 0.25)
    return maps.cumsum(1)
