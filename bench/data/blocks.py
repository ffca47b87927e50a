"""Numbered blocks of one long array: each is written whole or not at all, so that any number of processes can share
the work, be killed at any moment, and go on with what is missing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.core.files import explained, write_bytes
from bench.errors import IntegrityError


@dataclass(frozen=True)
class Blocks:
    """``NNNNNNNN.npy`` files in ``folder``; block i holds the rows from ``i * rows`` on, at most ``rows`` of them."""

    folder: Path
    rows: int

    def path(self, index: int) -> Path:
        """The file of a block."""
        return self.folder / f"{index:08d}.npy"

    def missing(self, indices: Sequence[int]) -> list[int]:
        """Those of the blocks that are not there yet."""
        return [index for index in indices if not self.path(index).is_file()]

    def write(self, index: int, array: np.ndarray) -> None:
        """Stores a block; raises :class:`bench.errors.BenchError` for a full or read-only disk."""
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        with explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_bytes(self.path(index), buffer.getvalue())

    def read(self, index: int) -> np.ndarray:
        """A block, memory-mapped; raises :class:`IntegrityError` for a damaged file."""
        try:
            block: np.ndarray = np.load(self.path(index), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise IntegrityError(f"{self.path(index)} is damaged ({error}); delete it and run again.") from error
        return block
