"""Writing frozen arrays (:mod:`bench.data.frozen`): resumable, atomic, safe for two processes at once.

While a frozen folder is being made it is called ``NAME.partial``; every file in it only grows, and ``progress.json``
names the lengths that count, so that a killed process loses at most one block. The manifest is written last.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.core.digest import of_file
from bench.core.files import explained, locked, require_space, sync, write_bytes
from bench.data.frozen import (
    DIGEST_BYTES,
    DIGESTS,
    LABELS,
    MANIFEST,
    PIXELS,
    SCHEMA,
    SOURCES,
    Frozen,
    combined,
    image_digests,
    open_frozen,
    self_digest,
)
from bench.errors import IntegrityError

_PROGRESS = "progress.json"
BLOCK_BYTES = 1 << 23
"""Pixels (8 MiB) that a killed process may lose, and that are held in memory a few times over."""


@dataclass(frozen=True)
class Block:
    """Some images on their way into a frozen folder: ``pixels`` uint8 ``[n, 3, H, W]``, ``labels`` int64 ``[n]``.

    ``sources`` are JSON objects for ``sources.jsonl``: also of candidates that gave no image.
    """

    pixels: np.ndarray
    labels: np.ndarray | None = None
    sources: Sequence[Mapping[str, Any]] = ()


class Writer:
    """Appends images to a folder that does not exist yet; :meth:`finish` makes it appear, whole.

    With a ``recipe`` (a digest of all that the images follow from) a writer continues what an earlier process left
    unfinished under the same one: ``done`` is how many candidates are behind it. Without, it starts anew. The caller
    holds :func:`bench.core.files.locked` where several processes may want the same folder.
    """

    def __init__(
        self, folder: Path, height: int, width: int, recipe: str | None = None, labelled: bool = False
    ) -> None:
        self.folder = folder
        self._partial = folder.with_name(folder.name + ".partial")
        self._height, self._width = height, width
        self._state: dict[str, Any] = {"recipe": recipe, "height": height, "width": width, "done": 0, "count": 0}
        names = [PIXELS, DIGESTS, SOURCES, *([LABELS] if labelled else [])]
        self._state["lengths"] = dict.fromkeys(names, 0)
        with explained(self._partial):
            self._resume()

    @property
    def done(self) -> int:
        """How many candidates the finished blocks cover."""
        return int(self._state["done"])

    @property
    def sources(self) -> Path:
        """Where ``sources.jsonl`` lies until the folder has its name."""
        return self._partial / SOURCES

    def append(self, block: Block, candidates: int | None = None) -> None:
        """Adds a block; ``candidates`` is how many source images it covers, by default the number of its images."""
        shape = (3, self._height, self._width)
        if block.pixels.dtype != np.uint8 or block.pixels.shape[1:] != shape:
            raise ValueError(f"expected uint8 [n, {shape}], got {block.pixels.dtype} {block.pixels.shape}")
        if (block.labels is not None) != (LABELS in self._state["lengths"]):
            raise ValueError("a writer takes labels with every block or with none")
        pieces = {
            PIXELS: np.ascontiguousarray(block.pixels).tobytes(),
            DIGESTS: image_digests(block.pixels).tobytes(),
            SOURCES: b"".join(json.dumps(line, sort_keys=True).encode() + b"\n" for line in block.sources),
        }
        if block.labels is not None:
            pieces[LABELS] = np.asarray(block.labels, np.int64).tobytes()
        with explained(self._partial):
            for name, data in pieces.items():
                with (self._partial / name).open("ab") as file:
                    file.write(data)
                self._state["lengths"][name] += len(data)
            self._state["count"] += len(block.pixels)
            self._state["done"] += len(block.pixels) if candidates is None else candidates
            write_bytes(self._partial / _PROGRESS, json.dumps(self._state).encode())

    def finish(self, facts: Mapping[str, Any] | None = None) -> Frozen:
        """Writes the manifest with ``facts`` in it and gives the folder its name."""
        with explained(self._partial):
            rows = np.fromfile(self._partial / DIGESTS, np.uint8).reshape(-1, DIGEST_BYTES)
            manifest = {
                **(facts or {}),
                **{key: self._state[key] for key in ("recipe", "height", "width", "count", "lengths")},
                "schema": SCHEMA,
                "digest": combined(rows, self._height, self._width),
                "sha256_of": {n: of_file(self._partial / n) for n in (LABELS, SOURCES) if n in self._state["lengths"]},
            }
            manifest["sha256"] = self_digest(manifest)
            write_bytes(self._partial / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
            for name in self._state["lengths"]:
                sync(self._partial / name)
            os.replace(self._partial, self.folder)
            (self.folder / _PROGRESS).unlink()
        return open_frozen(self.folder)

    def _resume(self) -> None:
        self._partial.mkdir(parents=True, exist_ok=True)
        found = _progress(self._partial)
        if found and self._state["recipe"] is not None and self._continues(found):
            self._state = found
        else:
            shutil.rmtree(self._partial)
            self._partial.mkdir()
            write_bytes(self._partial / _PROGRESS, json.dumps(self._state).encode())
        for name, length in self._state["lengths"].items():
            with (self._partial / name).open("ab") as file:
                file.truncate(length)

    def _continues(self, found: Mapping[str, Any]) -> bool:
        same = all(found[key] == self._state[key] for key in ("recipe", "height", "width"))
        return same and found["lengths"].keys() == self._state["lengths"].keys() and _long_enough(self._partial, found)


def _progress(partial: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((partial / _PROGRESS).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _long_enough(partial: Path, state: Mapping[str, Any]) -> bool:
    paths = {partial / name: length for name, length in state["lengths"].items()}
    return all(path.is_file() and path.stat().st_size >= length for path, length in paths.items())


def freeze(
    folder: Path,
    count: int,
    size: tuple[int, int],
    produce: Callable[[int, int], Block],
    facts: Callable[[Path], Mapping[str, Any]],
    recipe: str,
    labelled: bool = False,
    block: int | None = None,
) -> Frozen:
    """The frozen folder, made from ``produce(start, stop)`` over ``count`` candidates where it is not there yet.

    Resumes what a killed process left; of two processes the second waits for the first; a damaged folder is made
    anew. ``size`` is (height, width), ``block`` the candidates between two notes of progress (by default as many as
    fill :data:`BLOCK_BYTES`). ``facts(sources)`` gives the rest of the manifest, at the end, from the path of
    ``sources.jsonl``. Raises :class:`bench.errors.BenchError` for a full or read-only disk.
    """
    bytes_each = 3 * size[0] * size[1]
    step = block or max(1, BLOCK_BYTES // bytes_each)
    with locked(folder):
        there = existing(folder)
        if there is not None:
            return there
        writer = Writer(folder, *size, recipe=recipe, labelled=labelled)
        require_space(folder.parent, (count - writer.done) * bytes_each)
        for start in range(writer.done, count, step):
            stop = min(start + step, count)
            writer.append(produce(start, stop), stop - start)
        return writer.finish(facts(writer.sources))


def existing(folder: Path, renews: Callable[[Path], bool] = lambda place: False) -> Frozen | None:
    """The frozen folder if it is there and undamaged; a damaged one is removed, to be made anew.

    So is a whole one where ``renews(folder)`` says that it is to be made again.
    """
    if not folder.exists():
        return None
    if renews(folder):
        shutil.rmtree(folder)
        return None
    try:
        return open_frozen(folder)
    except IntegrityError:
        shutil.rmtree(folder)
        return None
