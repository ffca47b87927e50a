"""Freezing images whose sizes are known but which are made in another order than they stand in."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.core.files import explained, require_space
from bench.data import freezing, mixed
from bench.data.frozen import DIGEST_BYTES, DIGESTS, PIXELS, Frozen, image_digests
from bench.data.mixed import SIZES, Mixed


class Placer:
    """Writes images of ``sizes``, int64 ``[N, 2]``, into a folder that does not exist yet, each at its place.

    The caller holds :func:`bench.core.files.locked`. What a killed process left is made anew.
    """

    def __init__(self, folder: Path, sizes: np.ndarray) -> None:
        self._folder, self._partial = folder, folder.with_name(folder.name + ".partial")
        self._sizes, self._starts = sizes, mixed.starts(sizes)
        self._rows = np.zeros((len(sizes), DIGEST_BYTES), np.uint8)
        with explained(self._partial):
            shutil.rmtree(self._partial, ignore_errors=True)
            self._partial.mkdir(parents=True)
            require_space(self._partial, int(self._starts[-1]))
            with (self._partial / PIXELS).open("wb") as file:
                file.truncate(int(self._starts[-1]))

    def put(self, places: np.ndarray, pixels: np.ndarray) -> None:
        """Writes uint8 ``[n, 3, H, W]`` at ``places``; raises ValueError for images of another size than theirs."""
        if pixels.dtype != np.uint8 or (self._sizes[places] != np.array(pixels.shape[2:])).any():
            raise ValueError(f"expected uint8 images of {self._sizes[places].tolist()}, got {pixels.shape}")
        self._rows[places] = image_digests(pixels)
        with explained(self._partial), (self._partial / PIXELS).open("r+b") as file:
            for place, image in zip(places.tolist(), pixels, strict=True):
                file.seek(int(self._starts[place]))
                file.write(np.ascontiguousarray(image).tobytes())

    def finish(self, facts: Mapping[str, Any]) -> Frozen | Mixed:
        """Writes the manifest with ``facts`` in it and gives the folder its name."""
        with explained(self._partial):
            (self._partial / DIGESTS).write_bytes(self._rows.tobytes())
            (self._partial / SIZES).write_bytes(np.ascontiguousarray(self._sizes, "<i4").tobytes())
            lengths = {name: (self._partial / name).stat().st_size for name in (PIXELS, DIGESTS, SIZES)}
            state = {"recipe": None, "height": None, "width": None, "count": len(self._rows), "lengths": lengths}
            freezing.publish(self._partial, self._folder, state, facts)
        return mixed.open_images(self._folder)
