"""Originals and reconstructions for the page: files beside it, few and small enough to send to somebody."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.digest import of_bytes, of_value
from bench.report.examples import EXAMPLES, Member, first_seeds, size, split_strip, telling
from bench.report.labels import shortened
from bench.report.load import Loaded

if TYPE_CHECKING:
    import numpy as np

VERSION = 1
"""Raise it when a picture would look different for the same inputs."""
BUDGET = 4_000_000
"""Bytes that the pictures of a page may take, as estimated from their pixels."""
LOSSLESS, LOSSY = 1.8, 0.25
"""Bytes that a pixel of a photograph takes as WebP."""
QUALITY = 90
MOST = 6
"""Images in a gallery, where there is room for them."""
STEPS = ((4, 512), (4, 384), (4, 256), (3, 256), (2, 256), (2, 192), (2, 128), (1, 128), (1, 64))
"""Fewer and smaller images, until they are estimated to fit."""


@dataclass(frozen=True)
class Shot:
    """The files of one method's images, or of the originals."""

    label: str
    short: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """The same images as every method gives them back, the originals first.

    ``chosen`` are their positions among the examples of ``strips``; ``side`` is that of the files in pixels, ``whole``
    that of the images.
    """

    name: str
    caption: str
    chosen: tuple[int, ...]
    side: int
    whole: int
    lossless: bool
    shots: tuple[Shot, ...]
    strips: Mapping[str, Path]

    @property
    def digest(self) -> str:
        """Digest of all that the files follow from."""
        inputs = {label: of_bytes(path.read_bytes()) for label, path in self.strips.items()}
        about = [list(self.chosen), self.side, self.lossless]
        return of_value({"gallery": self.name, "version": VERSION, "about": about, "inputs": inputs})

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of all files, relative to the page."""
        return tuple(file for shot in self.shots for file in shot.files)

    @property
    def remark(self) -> str:
        """What a reader must know of the pictures."""
        size_said = f"reduced from {self.whole} to {self.side} px" if self.side < self.whole else f"{self.whole} px"
        kind = "lossless" if self.lossless else f"as WebP of quality {QUALITY} to keep the page small"
        return f"Images that differ most between the methods, {size_said}, {kind}."

    def draw(self) -> dict[str, bytes]:
        """The content of all files."""
        made: dict[str, bytes] = {}
        for shot, (label, path) in zip(self.shots[1:], self.strips.items(), strict=True):
            originals, images = split_strip(path.read_bytes(), Path(label))
            rows = ((shot, images),) if made else ((self.shots[0], originals), (shot, images))
            for target, pixels in rows:
                for file, index in zip(target.files, self.chosen, strict=True):
                    made[file] = self._webp(pixels[index])
        return made

    def _webp(self, pixels: np.ndarray) -> bytes:
        from PIL import Image

        image = Image.fromarray(pixels)
        if self.side < self.whole:
            image = image.resize((self.side, self.side), Image.Resampling.BOX)
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", lossless=self.lossless, quality=QUALITY, method=4)
        return buffer.getvalue()


def galleries(results: Sequence[Loaded]) -> tuple[Gallery, ...]:
    """A gallery for every dataset, preset and size of examples that results have pictures of."""
    groups: dict[tuple[str, str, int], list[Member]] = {}
    for (dataset, preset), members in first_seeds(results, "recon", EXAMPLES).items():
        for loaded, path in members:
            side = size(path.read_bytes(), path)[1] // 2
            groups.setdefault((dataset, preset, side), []).append((loaded, path))
    return tuple(
        _gallery(index, f"{dataset}, {preset}", side, members, BUDGET // len(groups))
        for index, ((dataset, preset, side), members) in enumerate(groups.items())
    )


def _gallery(number: int, caption: str, whole: int, members: Sequence[Member], budget: int) -> Gallery:
    count, side, lossless = fitting(len(members) + 1, whole, budget)
    chosen = telling(members, count)
    labels = [loaded.result.method for loaded, _ in members]
    shorts = shortened(labels)
    name = f"gallery-{number + 1}"
    shots = [
        Shot(label, short, tuple(f"images/{name}-{row}-{i + 1}.webp" for i in range(len(chosen))))
        for row, (label, short) in enumerate([("original", "original"), *((k, shorts[k]) for k in labels)])
    ]
    strips = {loaded.result.method: path for loaded, path in members}
    return Gallery(name, caption, tuple(chosen), side, whole, lossless, tuple(shots), strips)


def fitting(rows: int, whole: int, budget: int) -> tuple[int, int, bool]:
    """How many images, of which side, and whether without loss, so that ``rows`` of them fit the budget of bytes."""
    steps = [(MOST, whole, True), (MOST, whole, False), *((count, min(side, whole), False) for count, side in STEPS)]
    for count, side, lossless in steps:
        if rows * count * side**2 * (LOSSLESS if lossless else LOSSY) <= budget:
            return count, side, lossless
    return steps[-1]
