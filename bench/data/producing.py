"""From a range of source images to pixels: decoded in parallel, cropped by protocol, what is bad set aside."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

import numpy as np

from bench.core import images, native
from bench.data import freezing
from bench.data.allowance import LARGEST_AT_ONCE, Allowance
from bench.data.dataset import DatasetRequest
from bench.data.readers.files import Members
from bench.errors import IntegrityError


class TooSmall(images.BadImage):
    """An image that has fewer pixels than are asked for; nothing is enlarged."""


class Producer:
    """Decodes the images of a range of positions, in parallel, and crops them, under ``native`` not."""

    def __init__(
        self,
        request: DatasetRequest,
        members: Members,
        names: list[str],
        rows: np.ndarray,
        pool: Executor,
        ticks: Iterator[int],
    ) -> None:
        self._request, self._members, self._names, self._rows = request, members, names, rows
        self._pool, self._ticks, self._ticked = pool, ticks, 0
        self._memory = Allowance(LARGEST_AT_ONCE)
        self._native = native.is_native(request.protocol)

    def spans(self, start: int, count: int) -> Iterator[tuple[int, int]]:
        """Ranges of positions from ``start`` on that are decoded, and held, together: their pixels decide how many.

        As many as :data:`bench.data.allowance.LARGEST_AT_ONCE` pixels, as the files say, or one larger image.
        """
        first, held = start, 0
        for position in range(start, count):
            weight = self._weight(position)
            if position > first and held + weight > LARGEST_AT_ONCE:
                yield first, position
                first, held = position, 0
            held += weight
        if first < count:
            yield first, count

    def _weight(self, position: int) -> int:
        try:
            return self._members.weight(self._members.read(self._names[position]))
        except images.BadImage:
            return 0

    def block(self, start: int, stop: int) -> freezing.Block:
        """The images of the positions from ``start`` to before ``stop``, as far as they can be used."""
        pixels, good, sources = [], [], []
        for position, (image, source) in enumerate(self._pool.map(self._one, range(start, stop)), start):
            self._tick(position + 1)
            sources.append(source)
            if image is not None:
                pixels.append(image)
                good.append(self._names[position])
        side, known = self._request.resolution, self._members.labels
        stacked: np.ndarray | list[np.ndarray] = pixels
        if not self._native:
            stacked = np.stack(pixels) if pixels else np.empty((0, 3, side, side), np.uint8)
        labels = None if known is None else np.array([known[name] for name in good], np.int64)
        return freezing.Block(stacked, labels, sources)

    def _one(self, position: int) -> tuple[np.ndarray | None, dict[str, Any]]:
        """One image uint8 ``[3, H, W]``, or None where it is bad, and its line of ``sources.jsonl``."""
        name, expected = self._names[position], self._rows[position]
        source: dict[str, Any] = {"name": name, "sha256": bytes(expected).hex()}
        try:
            data = self._members.read(name)
            if hashlib.sha256(data).digest() != bytes(expected):
                raise IntegrityError(f"{name} of {self._members.origin} changed after it was first read; add --verify.")
            title = name if self._request.on_bad == "skip" else self._members.title(name)
            with self._memory.of(self._members.weight(data)):
                decoded = self._members.decode(data, title)
                image = self._fitted(decoded.pixels, title)
        except images.BadImage as bad:
            if self._request.on_bad == "fail":
                raise images.skippable(bad) from bad
            return None, {**source, "bad": str(bad), **({"small": True} if isinstance(bad, TooSmall) else {})}
        size = list(decoded.pixels.shape[:2])
        return image, {**source, "encoding": decoded.encoding, "notes": list(decoded.notes), "size": size}

    def _fitted(self, pixels: np.ndarray, name: str) -> np.ndarray:
        if self._native:
            return native.fitted(pixels, native.longest(self._request.protocol)).transpose(2, 0, 1)
        height, width = pixels.shape[:2]
        side = self._request.resolution
        if min(height, width) < side:
            raise TooSmall(
                f"The image {name} is {width} x {height}, smaller than the {side} px asked for; take a preset of a "
                "lower resolution or remove the image."
            )
        return images.PROTOCOLS[self._request.protocol](pixels, side).transpose(2, 0, 1)

    def _tick(self, reached: int) -> None:
        while self._ticked < reached:
            next(self._ticks, None)
            self._ticked += 1
        if reached == len(self._names):
            next(self._ticks, None)
