"""Writing frozen arrays (:mod:`bench.data.frozen`): resumable, atomic, safe for two processes at once.

While a frozen folder is being made it is called ``NAME.partial``; every file in it only grows, and ``progress.json``
names the lengths that count, so that a killed process loses at most one block. The manifest is written last.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bench.core.digest import of_file
from bench.core.files import explained, locked, require_space, sync, write_bytes
from bench.data import mixed
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
from bench.data.mixed import SIZES, Mixed
from bench.errors import IntegrityError

_PROGRESS = "progress.json"
BLOCK_BYTES = 1 << 23
"""Pixels (8 MiB) that a killed process may lose, and that are held in memory a few times over."""


@dataclass(frozen=True)
class Block:
    """Some images on their way into a frozen folder: ``pixels`` uint8 ``[n, 3, H, W]``, ``labels`` int64 ``[n]``.

    For a folder of several sizes ``pixels`` is a list of uint8 ``[3, H, W]``. ``sources`` are JSON objects for
    ``sources.jsonl``: also of candidates that gave no image.
    """

    pixels: np.ndarray | Sequence[np.ndarray]
    labels: np.ndarray | None = None
    sources: Sequence[Mapping[str, Any]] = ()


class Writer:
    """Appends images to a folder that does not exist yet; :meth:`finish` makes it appear, whole.

    Without ``height`` and ``width`` images may have any. With a ``recipe`` (a digest of all that the images follow
    from) a writer continues what an earlier process left unfinished under the same one: ``done`` is how many candidates
    are behind it. Without, it starts anew. The caller holds :func:`bench.core.files.locked` where several processes may
    want the same folder.
    """

    def __init__(
        self,
        folder: Path,
        height: int | None,
        width: int | None,
        recipe: str | None = None,
        labelled: bool = False,
    ) -> None:
        self.folder = folder
        self._partial = folder.with_name(folder.name + ".partial")
        self._size = None if height is None or width is None else (height, width)
        self._state: dict[str, Any] = {"recipe": recipe, "height": height, "width": width, "done": 0, "count": 0}
        names = [PIXELS, DIGESTS, SOURCES, *([LABELS] if labelled else []), *([SIZES] if self._size is None else [])]
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
        self._check(block)
        pieces = {
            PIXELS: b"".join(np.ascontiguousarray(image).tobytes() for image in block.pixels),
            DIGESTS: b"".join(image_digests(image[None]).tobytes() for image in block.pixels),
            SOURCES: b"".join(json.dumps(line, sort_keys=True).encode() + b"\n" for line in block.sources),
        }
        if block.labels is not None:
            pieces[LABELS] = np.asarray(block.labels, np.int64).tobytes()
        if self._size is None:
            pieces[SIZES] = np.array([image.shape[1:] for image in block.pixels], "<i4").tobytes()
        with explained(self._partial):
            for name, data in pieces.items():
                with (self._partial / name).open("ab") as file:
                    file.write(data)
                self._state["lengths"][name] += len(data)
            self._state["count"] += len(block.pixels)
            self._state["done"] += len(block.pixels) if candidates is None else candidates
            write_bytes(self._partial / _PROGRESS, json.dumps(self._state).encode())

    def _check(self, block: Block) -> None:
        """Raises ValueError for what is no block of this folder."""
        for image in block.pixels:
            fits = image.ndim == 3 and image.shape[0] == 3 and (self._size is None or image.shape[1:] == self._size)
            if image.dtype != np.uint8 or not fits:
                raise ValueError(f"expected uint8 [3, {self._size or 'H, W'}], got {image.dtype} {image.shape}")
        if (block.labels is not None) != (LABELS in self._state["lengths"]):
            raise ValueError("a writer takes labels with every block or with none")

    def finish(self, facts: Mapping[str, Any] | None = None) -> Frozen:
        """Writes the manifest with ``facts`` in it and gives the folder, of images of one size, its name."""
        if self._size is None:
            raise ValueError("a writer of images of several sizes is finished by finish_mixed")
        self._publish(facts or {})
        return open_frozen(self.folder)

    def finish_mixed(self, facts: Mapping[str, Any] | None = None) -> Frozen | Mixed:
        """:meth:`finish` for images of any sizes; where all have one, it is the folder that a writer of one makes."""
        self._publish(facts or {})
        return mixed.open_images(self.folder)

    def _publish(self, facts: Mapping[str, Any]) -> None:
        with explained(self._partial):
            publish(self._partial, self.folder, self._state, facts)
            (self.folder / _PROGRESS).unlink()

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


def publish(partial: Path, folder: Path, state: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Writes the manifest of whole files in ``partial`` and gives the folder its name.

    ``state`` has "recipe", "height" and "width" (None: in the file of sizes), "count" and "lengths" by file.
    """
    rows = np.fromfile(partial / DIGESTS, np.uint8).reshape(-1, DIGEST_BYTES)
    shape, lengths = {key: state[key] for key in ("height", "width")}, dict(state["lengths"])
    sizes = np.fromfile(partial / SIZES, "<i4").reshape(-1, 2) if SIZES in lengths else None
    if sizes is not None and len(np.unique(sizes, axis=0)) <= 1:
        shape = dict(zip(("height", "width"), map(int, sizes[0]) if len(sizes) else (1, 1), strict=True))
        del lengths[SIZES]
        (partial / SIZES).unlink()
        sizes = None
    whole = mixed.combined(rows, sizes) if sizes is not None else combined(rows, shape["height"], shape["width"])
    manifest = {
        **facts,
        **(shape if sizes is None else {}),
        **{key: state[key] for key in ("recipe", "count")},
        "lengths": lengths,
        "schema": SCHEMA if sizes is None else mixed.SCHEMA,
        "digest": whole,
        "sha256_of": {n: of_file(partial / n) for n in (LABELS, SOURCES, SIZES) if n in lengths},
    }
    manifest["sha256"] = self_digest(manifest)
    write_bytes(partial / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
    for name in lengths:
        sync(partial / name)
    os.replace(partial, folder)


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


def freeze_mixed(
    folder: Path,
    count: int,
    produce: Callable[[int, int], Block],
    spans: Callable[[int, int], Iterable[tuple[int, int]]],
    facts: Callable[[Path], Mapping[str, Any]],
    recipe: str,
    labelled: bool = False,
) -> Frozen | Mixed:
    """:func:`freeze` for images of any sizes.

    ``spans(start, count)`` divides the candidates from ``start`` on into those that are made, and held in memory,
    together.
    """
    with locked(folder):
        there = existing_images(folder)
        if there is not None:
            return there
        writer = Writer(folder, None, None, recipe=recipe, labelled=labelled)
        for start, stop in spans(writer.done, count):
            writer.append(produce(start, stop), stop - start)
        return writer.finish_mixed(facts(writer.sources))


Renews = Callable[[Path], bool]


def existing(folder: Path, renews: Renews = lambda place: False) -> Frozen | None:
    """The frozen folder if it is there and undamaged; a damaged one is removed, to be made anew.

    So is a whole one where ``renews(folder)`` says that it is to be made again.
    """
    return _existing(folder, open_frozen, renews)


def existing_images(folder: Path, renews: Renews = lambda place: False) -> Frozen | Mixed | None:
    """:func:`existing` for a folder of one size or of several."""
    return _existing(folder, mixed.open_images, renews)


Opened = TypeVar("Opened")


def _existing(folder: Path, opened: Callable[[Path], Opened], renews: Renews) -> Opened | None:
    if not folder.exists():
        return None
    if renews(folder):
        shutil.rmtree(folder)
        return None
    try:
        return opened(folder)
    except IntegrityError:
        shutil.rmtree(folder)
        return None
