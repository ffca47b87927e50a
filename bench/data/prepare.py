"""From the members of a source to frozen splits: digests, order, content-hash split, decoding in parallel, facts.

A set's key is a digest of what is in it: the digests of its source images, in order, their labels, the protocol, the
resolution and the decoder's version. Source digests are remembered under a stamp of the files' inodes, sizes and
times, so that an unchanged source is not read again; ``data verify`` reads the frozen pixels whole.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from bench.core import digest, files, images, registry
from bench.core.files import explained, locked, write_bytes
from bench.core.progress import counted
from bench.data import freezing, manifest
from bench.data import frozen as arrays
from bench.data.allowance import LARGEST_AT_ONCE, Allowance
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers.files import Members, subset
from bench.errors import IntegrityError, UsageError

CONTENT_SPLIT = "by content: validation is every image whose SHA-256 is a multiple of ten in its first 8 bytes"
TENTH = 10
HASHED_AT_ONCE = 4096


def dataset(
    request: DatasetRequest,
    name: str,
    train: Members | None,
    val: Members,
    split: str,
    facts: Mapping[str, Any] | None = None,
) -> Dataset:
    """Freezes the splits (or finds them frozen) and gathers what a reader must know about them.

    ``split`` is the rule that made them, in words; ``facts`` what the dataset itself adds.
    """
    registry.lookup(images.PROTOCOLS, request.protocol, "data protocol")
    frozen_val = freeze(request, val, "val")
    frozen_train = freeze(request, train, "train") if train is not None else None
    about = {
        "origin": Path(val.origin).name,
        "split": split,
        "order": manifest.ORDER,
        "val": manifest.summary(frozen_val),
        "train": manifest.summary(frozen_train) if frozen_train is not None else None,
        "duplicates": manifest.duplicates(frozen_train, frozen_val),
        **_left_out(train, val),
        **(facts or {}),
    }
    return Dataset(name, request.resolution, request.protocol, frozen_train, frozen_val, about)


def _left_out(train: Members | None, val: Members) -> dict[str, Any]:
    """Counts of the files that are in neither split, by ending or folder, of one source or of two."""
    total = Counter(val.left_out)
    if train is not None and train.origin != val.origin:
        total += Counter(train.left_out)
    return {"not_among_the_images": dict(total)} if total else {}


def by_content(request: DatasetRequest, members: Members) -> tuple[Members, Members]:
    """Splits a source that has no splits of its own; equal images land in the same split.

    Raises :class:`UsageError` where there are not two different images.
    """
    rows = source_digests(request, members)
    if len({bytes(row) for row in rows}) < 2:
        raise UsageError(f"{members.origin} does not hold two different images; training and validation need one each.")
    chosen = rows[:, :8].copy().view(">u8")[:, 0] % TENTH == 0
    if chosen.all() or not chosen.any():
        chosen = (rows == rows[_order(rows)[0]]).all(axis=1)
    parts = ([n for n, v in zip(members.names, chosen, strict=True) if bool(v) is held] for held in (False, True))
    train, val = parts
    return subset(members, train, "content-train"), subset(members, val, "content-val")


def freeze(request: DatasetRequest, members: Members, part: str) -> arrays.Frozen:
    """The frozen images of one split, made where they are not there yet.

    Raises :class:`UsageError` when no image can be used, and under ``--on-bad fail`` when one can't.
    """
    rows = source_digests(request, members)
    order = _order(rows)
    recipe = _recipe(request, members, rows, order)
    names = [members.names[i] for i in order]
    target = request.cache / "sets" / digest.of_value(recipe)
    with ThreadPoolExecutor(max(1, request.workers)) as pool:
        ticks = counted(request.progress, f"prepare {part}", len(names))
        produce = _Producer(request, members, names, rows[order], pool, ticks)
        frozen = freezing.freeze(
            target,
            len(names),
            (request.resolution, request.resolution),
            produce.block,
            lambda sources: {**manifest.manifest(members.origin, members.classes, sources), "made_from": recipe},
            digest.of_value(recipe),
            labelled=members.labels is not None,
        )
    check_bad(request, frozen)
    return frozen


def _order(rows: np.ndarray) -> list[int]:
    """The positions by digest; equal images stay as they were listed."""
    words = np.ascontiguousarray(rows).view(">u8")
    order: list[int] = np.lexsort(tuple(words[:, i] for i in reversed(range(words.shape[1])))).tolist()
    return order


def _recipe(request: DatasetRequest, members: Members, rows: np.ndarray, order: list[int]) -> dict[str, Any]:
    """What the frozen pixels follow from; its digest names the set."""
    labels = None if members.labels is None else [members.labels[members.names[i]] for i in order]
    return {
        "sources": hashlib.sha256(rows[order].tobytes()).hexdigest(),
        "labels": None if labels is None else digest.of_value([labels, list(members.classes)]),
        "protocol": request.protocol,
        "resolution": request.resolution,
        "decoder": f"pillow {PIL.__version__}",
        "version": images.DECODING,
    }


class TooSmall(images.BadImage):
    """An image that has fewer pixels than are asked for; nothing is enlarged."""


class _Producer:
    """Decodes and crops the images of a range of positions, in parallel."""

    def __init__(
        self,
        request: DatasetRequest,
        members: Members,
        names: list[str],
        rows: np.ndarray,
        pool: ThreadPoolExecutor,
        ticks: Iterator[int],
    ) -> None:
        self._request, self._members, self._names, self._rows = request, members, names, rows
        self._pool, self._ticks, self._ticked = pool, ticks, 0
        self._memory = Allowance(LARGEST_AT_ONCE)

    def block(self, start: int, stop: int) -> freezing.Block:
        pixels, good, sources = [], [], []
        for position, (image, source) in enumerate(self._pool.map(self._one, range(start, stop)), start):
            self._tick(position + 1)
            sources.append(source)
            if image is not None:
                pixels.append(image)
                good.append(self._names[position])
        side, known = self._request.resolution, self._members.labels
        stacked = np.stack(pixels) if pixels else np.empty((0, 3, side, side), np.uint8)
        labels = None if known is None else np.array([known[name] for name in good], np.int64)
        return freezing.Block(stacked, labels, sources)

    def _one(self, position: int) -> tuple[np.ndarray | None, dict[str, Any]]:
        """One image uint8 ``[3, R, R]``, or None where it is bad, and its line of ``sources.jsonl``."""
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


def check_bad(request: DatasetRequest, frozen: arrays.Frozen) -> None:
    """Raises :class:`UsageError` for a set without images, and under ``--on-bad fail`` for one that left some out."""
    bad, origin = frozen.manifest["bad"], frozen.manifest["origin"]
    if not len(frozen) and bad.get("small") == bad["count"]:
        first = bad["examples"][0].partition(",")[0]
        raise UsageError(
            f"No image of {origin} can be used: all {bad['count']} are smaller than {request.resolution} px ({first}); "
            "take a preset of a lower resolution (--preset, or --set resolution=N), or larger images."
        )
    if not len(frozen):
        raise UsageError(f"No image of {origin} can be used ({bad['count']} are bad). {bad['examples'][0]}")
    if bad["count"] and request.on_bad == "fail":
        raise UsageError(
            f"{bad['count']} images of {origin} are bad; replace or remove them, or pass --on-bad skip. "
            f"The first: {bad['examples'][0]}"
        )


def pinned_lines(file: Path, sha256: str) -> list[str]:
    """The words of a published list file, checked against its digest; raises :class:`IntegrityError`."""
    found = digest.of_file(file)
    if found != sha256:
        raise IntegrityError(f"{file} is not the published list: its SHA-256 is {found}, not {sha256}.")
    return file.read_text().split()


# --------------------------------------------------------------------------------------------------------------
# Source digests


def source_digests(request: DatasetRequest, members: Members) -> np.ndarray:
    """SHA-256 of every member's bytes, uint8 ``[N, 32]``, remembered under the members' stamp.

    Computed again where the request says ``verify``; not remembered where a file changed a moment ago.
    A member that cannot be read has the digest of nothing, 32 zero bytes; it is bad when it is prepared.
    """
    path = request.cache / "sources" / f"{members.stamp}.bin"
    with locked(path):
        known = None if request.verify else _remembered(path, len(members.names))
        if known is not None:
            return known
        settled = files.settled(members.changed)
        members.check()
        with ThreadPoolExecutor(max(1, request.workers)) as pool:
            hashes = _hashes(members, pool)
            ticks = counted(request.progress, "read", len(members.names))
            data = b"".join(row for row, _ in zip(hashes, ticks, strict=True))
        if settled:
            with explained(path):
                write_bytes(path, data + hashlib.sha256(data).digest())
    return np.frombuffer(data, np.uint8).reshape(-1, arrays.DIGEST_BYTES)


def _hashes(members: Members, pool: ThreadPoolExecutor) -> Iterator[bytes]:
    """The members' digests in order; some thousand at a time, so that millions need no more memory."""
    for start in range(0, len(members.names), HASHED_AT_ONCE):
        yield from pool.map(_hasher(members), members.names[start : start + HASHED_AT_ONCE])


def _hasher(members: Members) -> Callable[[str], bytes]:
    def one(name: str) -> bytes:
        try:
            return hashlib.sha256(members.read(name)).digest()
        except images.BadImage:
            return bytes(arrays.DIGEST_BYTES)

    return one


def _remembered(path: Path, count: int) -> np.ndarray | None:
    """The digests in a memo file; None where there is none or where it is damaged."""
    try:
        whole = path.read_bytes()
    except OSError:
        return None
    data, check = whole[: -arrays.DIGEST_BYTES], whole[-arrays.DIGEST_BYTES :]
    if hashlib.sha256(data).digest() != check or len(data) != count * arrays.DIGEST_BYTES:
        return None
    return np.frombuffer(data, np.uint8).reshape(-1, arrays.DIGEST_BYTES)
