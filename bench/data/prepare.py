"""From the members of a source to frozen splits: digests, order, content-hash split, decoding in parallel, facts.

A set's key is a digest of what is in it: the digests of its source images, in order, their labels, the protocol, the
resolution, the decoder's version and the code. Source digests are remembered under a stamp of the files' inodes,
sizes and times, so that an unchanged source is not read again; ``data verify`` reads the frozen pixels whole.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from bench.core import digest, files, images, native
from bench.core.files import explained, locked, write_bytes
from bench.core.progress import counted
from bench.core.source import Sources
from bench.data import freezing, manifest
from bench.data import frozen as arrays
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.mixed import Mixed
from bench.data.producing import Producer
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
    crops: Members | None = None,
) -> Dataset:
    """Freezes the splits (or finds them frozen) and gathers what a reader must know about them.

    ``split`` is the rule that made them, in words; ``facts`` what the dataset itself adds. ``crops`` are
    what stands for ``val`` where its images are measured at native size and cropped ones are needed too.
    """
    native.check(request.protocol)
    own_sizes = native.is_native(request.protocol)
    cropping = replace(request, protocol=request.crop) if own_sizes else request
    frozen_val = freeze_images(request, val, "val")
    frozen_train = freeze(cropping, train, "train") if train is not None else None
    cropped_val = freeze(cropping, crops or val, "val") if own_sizes and train is not None else None
    about = {
        "origin": Path(val.origin).name,
        "split": split,
        "order": manifest.ORDER,
        "val": manifest.summary(frozen_val),
        "source_sizes": manifest.source_sizes(frozen_val),
        "train": manifest.summary(frozen_train) if frozen_train is not None else None,
        "duplicates": manifest.duplicates(frozen_train, cropped_val or frozen_val),
        **({"trained_at": f"{request.resolution}x{request.resolution} by '{request.crop}'"} if cropped_val else {}),
        **_left_out(train, val),
        **(facts or {}),
    }
    return Dataset(name, request.resolution, request.protocol, frozen_train, frozen_val, about, cropped_val)


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
    """The frozen images of one split, cropped to one size, made where they are not there yet.

    Raises :class:`UsageError` when no image can be used, and under ``--on-bad fail`` when one can't.
    """
    plan = _plan(request, members)
    with ThreadPoolExecutor(max(1, request.workers)) as pool:
        produce = _producer(request, members, plan, pool, part)
        frozen = freezing.freeze(
            plan.target,
            len(plan.names),
            (request.resolution, request.resolution),
            produce.block,
            plan.facts,
            plan.digest,
            labelled=members.labels is not None,
        )
    check_bad(request, frozen)
    return frozen


def freeze_images(request: DatasetRequest, members: Members, part: str) -> arrays.Frozen | Mixed:
    """:func:`freeze`, or under the protocol ``native`` the images at their own sizes."""
    if not native.is_native(request.protocol):
        return freeze(request, members, part)
    plan = _plan(request, members)
    with ThreadPoolExecutor(max(1, request.workers)) as pool:
        produce = _producer(request, members, plan, pool, part)
        frozen = freezing.freeze_mixed(
            plan.target,
            len(plan.names),
            produce.block,
            produce.spans,
            plan.facts,
            plan.digest,
            labelled=members.labels is not None,
        )
    check_bad(request, frozen)
    return frozen


@dataclass(frozen=True)
class _Plan:
    """What will be frozen, in which order, and where; ``recipe`` is all that the pixels follow from."""

    names: list[str]
    rows: np.ndarray
    recipe: Mapping[str, Any]
    target: Path
    facts: Callable[[Path], Mapping[str, Any]]

    @property
    def digest(self) -> str:
        return digest.of_value(self.recipe)


def _plan(request: DatasetRequest, members: Members) -> _Plan:
    rows = source_digests(request, members)
    order = _order(rows)
    recipe = _recipe(request, members, rows, order)

    def facts(sources: Path) -> Mapping[str, Any]:
        return {**manifest.manifest(members.origin, members.classes, sources), "made_from": recipe}

    target = request.cache / "sets" / digest.of_value(recipe)
    return _Plan([members.names[i] for i in order], rows[order], recipe, target, facts)


def _producer(request: DatasetRequest, members: Members, plan: _Plan, pool: Executor, part: str) -> Producer:
    ticks = counted(request.progress, f"prepare {part}", len(plan.names))
    return Producer(request, members, plan.names, plan.rows, pool, ticks)


def _order(rows: np.ndarray) -> list[int]:
    """The positions by digest; equal images stay as they were listed."""
    words = np.ascontiguousarray(rows).view(">u8")
    order: list[int] = np.lexsort(tuple(words[:, i] for i in reversed(range(words.shape[1])))).tolist()
    return order


def _recipe(request: DatasetRequest, members: Members, rows: np.ndarray, order: list[int]) -> dict[str, Any]:
    """What the frozen pixels follow from; its digest names the set. No resolution decides images of native size."""
    labels = None if members.labels is None else [members.labels[members.names[i]] for i in order]
    return {
        "sources": hashlib.sha256(rows[order].tobytes()).hexdigest(),
        "labels": None if labels is None else digest.of_value([labels, list(members.classes)]),
        "protocol": request.protocol,
        "resolution": None if native.is_native(request.protocol) else request.resolution,
        "decoder": f"pillow {PIL.__version__}",
        "form": members.form,
        "modules": members.modules,
        "code": code(members.modules),
    }


def code(readers: Iterable[str]) -> str:
    """The digest of the code that makes pixels of files: reading, decoding, crop and resize, what is left out.

    ``readers`` are the modules that read the source and decode what is no image file.
    """
    return Sources().digest(
        ["bench.core.images", "bench.core.native"], alone=["bench.data.prepare", "bench.data.producing", *readers]
    )


def check_bad(request: DatasetRequest, frozen: arrays.Frozen | Mixed) -> None:
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
    """SHA-256 of every member's bytes, uint8 ``[N, 32]``, remembered under the members' stamp and the code that reads.

    Computed again where the request says ``verify``; not remembered where a file changed a moment ago, nor in a cache
    that can be read only, which may hold all else that a run needs.
    A member that cannot be read has the digest of nothing, 32 zero bytes; it is bad when it is prepared.
    """
    read_by = Sources().digest([], alone=[members.read.__module__])
    path = request.cache / "sources" / f"{digest.of_value([members.stamp, read_by])}.bin"
    writable = files.writable(path.parent)
    with locked(path) if writable else nullcontext():
        known = None if request.verify else _remembered(path, len(members.names))
        if known is not None:
            return known
        settled = files.settled(members.changed)
        members.check()
        with ThreadPoolExecutor(max(1, request.workers)) as pool:
            hashes = _hashes(members, pool)
            ticks = counted(request.progress, "read", len(members.names))
            data = b"".join(row for row, _ in zip(hashes, ticks, strict=True))
        if settled and writable:
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
