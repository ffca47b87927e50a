"""The example pictures beside reconstructions: reading them, and which of them tell methods apart."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError
from bench.report.load import Loaded, read_values

if TYPE_CHECKING:
    import numpy as np

EXAMPLES = "examples.png"
"""``recon.examples.png``: a row of originals above the row of their reconstructions, square images without gaps."""

Member = tuple[Loaded, Path]
"""A result and its strip of examples."""


def beside(loaded: Loaded, suffix: str) -> Path | None:
    """The picture with this suffix that belongs to a result, if it is there."""
    path = loaded.beside(f"{loaded.result.stage}.{suffix}")
    return path if path.is_file() else None


def first_seeds(results: Sequence[Loaded], stage: str, suffix: str) -> dict[tuple[str, str], list[Member]]:
    """The stage's results that have the picture, the first seed of each method, by (dataset, preset)."""
    found: dict[tuple[str, str], dict[str, Member]] = {}
    for loaded in sorted(results, key=lambda item: item.result.seed):
        result = loaded.result
        path = beside(loaded, suffix) if result.stage == stage and result.status == "ok" else None
        if path is not None:
            name = f"{result.method}, {result.task}" if result.task else result.method
            found.setdefault((result.dataset, result.preset), {}).setdefault(name, (loaded, path))
    return {group: list(members.values()) for group, members in found.items()}


def telling(members: Sequence[Member], count: int) -> list[int]:
    """Which ``count`` of the examples differ most between methods, the most telling first.

    The spread is that of the root mean square error and not of the PSNR, whose decibels spread most where every method
    is nearly right: on walls and skies. Without values per image the first examples are taken.
    """
    import numpy as np

    there = min(count_in_strip(path.read_bytes(), path) for _, path in members)
    errors = []
    for loaded, _ in members:
        values = read_values(loaded)
        if "psnr" in values and len(values["psnr"]) >= there:
            errors.append(10.0 ** (-np.asarray(values["psnr"][:there], np.float64) / 20))
    if len(errors) < 2:
        return list(range(min(count, there)))
    spread = np.std(errors, axis=0)
    return [int(i) for i in np.argsort(-spread, kind="stable")[:count]]


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
