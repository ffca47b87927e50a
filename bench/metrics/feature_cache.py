"""Feature vectors: kept on disk in bounded memory, verified by digest, and their float64 moments. No torch."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
from filelock import FileLock, Timeout

from bench.core.digest import of_file
from bench.core.files import explained, require_space
from bench.errors import BenchError, UsageError

ROWS = 4096
"""Rows that are held in float64 at once."""


@dataclass(frozen=True)
class Moments:
    """Sample mean float64 ``[D]``, unbiased covariance (divided by N - 1) float64 ``[D, D]``, and N."""

    mean: np.ndarray
    covariance: np.ndarray
    count: int


@dataclass(frozen=True)
class Features:
    """The features of one image set: ``values`` float32 ``[N, D]``, or only their ``given`` moments.

    The latter is what a statistics file holds. ``name`` says of what, for error messages.
    """

    name: str
    values: np.ndarray | None
    given: Moments | None = None

    @property
    def count(self) -> int:
        """N."""
        return len(self.values) if self.values is not None else self.moments.count

    @property
    def dimensions(self) -> int:
        """D."""
        return self.values.shape[1] if self.values is not None else len(self.moments.mean)

    @property
    def vectors(self) -> np.ndarray:
        """The values; raises :class:`UsageError` when there are only moments."""
        if self.values is None:
            raise UsageError(f"{self.name} holds mean and covariance only; this metric needs the images or features.")
        return self.values

    @cached_property
    def moments(self) -> Moments:
        """Mean and covariance; :class:`UsageError` below two images."""
        return self.given if self.given is not None else moments(self.vectors, self.name)


def moments(values: np.ndarray, name: str = "the set") -> Moments:
    """Two streaming passes in float64 over ``values`` ``[N, D]``: the mean, then the centred products."""
    count, dimensions = values.shape
    if count < 2:
        raise UsageError(f"{name} holds {count} image(s); a covariance needs at least two.")
    mean = sum((block.sum(axis=0) for block in _blocks(values)), np.zeros(dimensions)) / count
    scatter = np.zeros((dimensions, dimensions))
    for block in _blocks(values):
        centred = block - mean
        scatter += centred.T @ centred
    return Moments(mean, scatter / (count - 1), count)


def _blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(values), ROWS):
        yield np.asarray(values[start : start + ROWS], dtype=np.float64)


@dataclass(frozen=True)
class Statistics:
    """A reference known by its features' statistics alone: ``features["extractor.output"]`` of ``count`` images."""

    digest: str
    count: int
    features: Mapping[str, Features]


class VectorWriter:
    """Writes float32 ``[N, D]`` in pieces into a new folder that appears under its name only when it is complete.

    Safe for two processes that write the same thing: the first to finish wins, the other's copy is dropped. What
    killed processes left half-written beside the folder is removed. The pieces are written, not mapped: a disk that
    fills up under a map ends the process without a word. Raises :class:`BenchError` where the disk is full.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self._count = count
        self._temporary = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}{UNFINISHED}")
        self._lock = _lock_of(self._temporary)
        self._file: IO[bytes] | None = None
        self._filled = 0

    def append(self, values: np.ndarray) -> None:
        """The next rows."""
        with explained(self.folder.parent):
            if self._file is None:
                self._file = self._begin(values.shape[1])
            self._file.write(np.ascontiguousarray(values, dtype=np.float32).tobytes())
        self._filled += len(values)

    def _begin(self, dimensions: int) -> IO[bytes]:
        """The file with its header, its space known to be there, in a folder that no other process will remove."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(self.folder.parent)
        require_space(self.folder.parent, 4 * self._count * dimensions)
        self._lock.acquire()
        self._temporary.mkdir()
        file = (self._temporary / "values.npy").open("wb")
        header = {"descr": "<f4", "fortran_order": False, "shape": (self._count, dimensions)}
        np.lib.format.write_array_header_1_0(file, header)
        return file

    def finish(self) -> None:
        """Seals the folder with the digest of its values."""
        if self._file is None or self._filled != self._count:
            raise BenchError(f"{self._filled} of {self._count} feature vectors were computed for {self.folder}.")
        with explained(self.folder.parent):
            self._close()
            seal = {"sha256": of_file(self._temporary / "values.npy"), "count": self._count}
            (self._temporary / "seal.json").write_text(json.dumps(seal))
            try:
                os.rename(self._temporary, self.folder)
            except OSError:
                if not self.folder.is_dir():
                    raise
        self.discard()

    def discard(self) -> None:
        """Removes what was written and did not get its name."""
        with suppress(OSError):  # what a full disk did not take is not missed
            self._close()
        shutil.rmtree(self._temporary, ignore_errors=True)
        if self._lock.is_locked:
            Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


UNFINISHED = ".tmp"
"""How the names of folders end that are not complete."""


def _lock_of(temporary: Path) -> FileLock:
    return FileLock(f"{temporary}.lock", timeout=0)


def remove_unfinished(parent: Path) -> list[Path]:
    """Removes the folders that killed processes left half-written; those of living ones are locked, and stay."""
    removed = []
    for path in sorted(parent.glob(f"*{UNFINISHED}")):
        with suppress(Timeout), _lock_of(path):
            shutil.rmtree(path, ignore_errors=True)
            Path(f"{path}.lock").unlink(missing_ok=True)
            removed.append(path)
    return removed


def is_intact(folder: Path) -> bool:
    """Whether the vectors there have the digest of their seal."""
    try:
        seal = json.loads((folder / "seal.json").read_text())
        return bool(of_file(folder / "values.npy") == seal["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def open_vectors(folder: Path) -> np.ndarray | None:
    """The sealed vectors, memory-mapped; None when there are none. A corrupt entry is removed and counts as none."""
    if not is_intact(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    values: np.ndarray = np.load(folder / "values.npy", mmap_mode="r")
    return values
