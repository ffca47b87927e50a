"""The PNG files that lie beside results: strips of originals and reconstructions, grids of samples."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contract import UsageError
from bench.report.load import Loaded

if TYPE_CHECKING:
    import numpy as np

EXAMPLES = "examples.png"
"""``recon.examples.png``: a row of originals above the row of their reconstructions, square images without gaps."""
SAMPLES = "grid.png"
"""``sample.grid.png``: rows of square samples without gaps."""
NEIGHBOURS = "neighbours.png"
"""``gen.neighbours.png``: a row of samples above rows of their nearest training images."""
PLACEMENT = "placement.png"
"""``recon.placement.png``, ``sample.placement.png``: images above maps of where their codes lie."""


def beside(loaded: Loaded, suffix: str) -> Path | None:
    """The picture with this suffix that belongs to a result, if it is there."""
    path = loaded.beside(f"{loaded.result.stage}.{suffix}")
    return path if path.is_file() else None


def first_seeds(results: Sequence[Loaded], stage: str, suffix: str) -> dict[tuple[str, str], list[tuple[Loaded, Path]]]:
    """The stage's results that have the picture, the first seed of each method, by (dataset, preset)."""
    found: dict[tuple[str, str], dict[str, tuple[Loaded, Path]]] = {}
    for loaded in sorted(results, key=lambda item: item.result.seed):
        result = loaded.result
        path = beside(loaded, suffix) if result.stage == stage and result.status == "ok" else None
        if path is not None:
            name = f"{result.method}, {result.task}" if result.task else result.method
            found.setdefault((result.dataset, result.preset), {}).setdefault(name, (loaded, path))
    return {group: list(members.values()) for group, members in found.items()}


def size(png: bytes, where: Path) -> tuple[int, int]:
    """Width and height in pixels from a PNG's header; :class:`UsageError` where it is none."""
    if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
        raise UsageError(f"{where} is not a PNG; delete it and run the same command with --overwrite.")
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def count_in_strip(png: bytes, where: Path) -> int:
    """How many images stand side by side in a strip of two rows."""
    width, height = size(png, where)
    side = height // 2
    if side == 0 or height % 2 or width % side:
        raise UsageError(f"{where} is not a strip of two rows of square images; run again with --overwrite.")
    return width // side


def split_strip(png: bytes, where: Path) -> tuple[np.ndarray, np.ndarray]:
    """Both rows of a strip: uint8 ``[count, side, side, 3]`` each."""
    import numpy as np
    from PIL import Image

    count = count_in_strip(png, where)
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    side = pixels.shape[0] // 2
    rows = pixels.reshape(2, side, count, side, 3).swapaxes(1, 2)
    return rows[0], rows[1]
