"""Decodes the files of an image set into a frozen array, keyed by the files' digests. No torch."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from bench.core import digest, images
from bench.core.files import locked, write_bytes
from bench.core.progress import Progress
from bench.core.source import Sources
from bench.data import mixed
from bench.data.allowance import LARGEST_AT_ONCE
from bench.data.freezing import Block, Writer
from bench.data.readers.files import Members
from bench.errors import IntegrityError

BLOCK = 64
"""Images whose sizes are looked at together; as many of them are decoded at once as their pixels allow."""
KEPT = 1 << 20
"""Bytes of a file that are kept from the look at its size to its decoding; a larger one is read twice."""
WEBP_HEADERS = 64
"""Bytes of a WebP file among which its first chunk's name is; ``VP8L`` is the lossless one."""


@dataclass(frozen=True)
class Crop:
    """A data protocol and a resolution, applied to every image before it is measured; ``ldm:256``."""

    protocol: str
    resolution: int


@dataclass(frozen=True)
class _Source:
    """An image before it is decoded: its pixels, as its file says, and its bytes where they are few."""

    position: int
    pixels: int
    data: bytes | None


@dataclass(frozen=True)
class _Image:
    """A decoded image: uint8 ``[H, W, 3]``, its encoding, the bits of its file per pixel, and what was converted."""

    position: int
    pixels: np.ndarray
    encoding: str
    rate: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Bad:
    """An image that cannot be used, and why."""

    position: int
    reason: str


def decoded(members: Members, rows: np.ndarray, cache: Path, crop: Crop | None, progress: Progress) -> dict[str, Any]:
    """Where the images lie, frozen: ``folder``; ``positions`` and ``rates`` of each; ``encodings``, ``notes``, ``bad``.

    ``rows`` are the SHA-256 of the members' bytes. What an earlier call left is taken when all of it is whole.
    """
    recipe = {
        "sources": hashlib.sha256(rows.tobytes()).hexdigest(),
        "crop": None if crop is None else [crop.protocol, crop.resolution],
        "decoder": f"pillow {PIL.__version__}",
        "form": members.form,
        "code": Sources().digest(["bench.data.set_decoding"], alone=members.modules),
    }
    index = cache / "scored" / f"{digest.of_value(recipe)[:32]}.json"
    with locked(index):
        return _known(index) or _decode(members, index, crop, progress)


def _known(index: Path) -> dict[str, Any] | None:
    """What an earlier decoding left, when all of its arrays are there and whole."""
    try:
        found: dict[str, Any] = json.loads(index.read_text())
        frozen = mixed.open_images(index.parents[1] / "images" / found["folder"]) if found["positions"] else ()
        whole = len(frozen) == len(found["positions"]) == len(found["rates"])
        return found if whole and found["bad"] is not None and found["notes"] is not None else None
    except (OSError, ValueError, KeyError, TypeError, IntegrityError):
        return None


def _decode(members: Members, index: Path, crop: Crop | None, progress: Progress) -> dict[str, Any]:
    """Decodes everything in parallel into one frozen folder, and writes the index last."""
    writer = Writer(_absent(index.parents[1] / "images" / index.stem), None, None)
    positions: list[int] = []
    rates: list[float] = []
    encodings: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    bad: list[tuple[int, str]] = []
    with ThreadPoolExecutor() as pool, progress(f"read {Path(members.origin).name}", len(members.names)) as advance:
        for block in _blocks(members, pool):
            found = list(pool.map(lambda source: _image(members, source, crop), block))
            bad += [(one.position, one.reason) for one in found if isinstance(one, _Bad)]
            good = [one for one in found if isinstance(one, _Image)]
            encodings.update(one.encoding for one in good)
            notes.update(note for one in good for note in one.notes)
            positions += [one.position for one in good]
            rates += [one.rate for one in good]
            writer.append(Block([one.pixels.transpose(2, 0, 1) for one in good]))
            advance(len(block))
    frozen = writer.finish_mixed({"what": "scored", "origin": members.origin})
    about = {"folder": str(frozen.folder and frozen.folder.name), "positions": positions, "rates": rates}
    result = {**about, "encodings": dict(encodings), "notes": dict(notes), "bad": bad}
    write_bytes(index, json.dumps(result).encode())
    return result


def _blocks(members: Members, pool: ThreadPoolExecutor) -> Iterator[list[_Source]]:
    """All images, in their order, as many together as are decoded at once: their pixels decide, not their number."""
    for start in range(0, len(members.names), BLOCK):
        stop = min(start + BLOCK, len(members.names))
        block: list[_Source] = []
        for source in pool.map(lambda position: _source(members, position), range(start, stop)):
            if block and sum(one.pixels for one in block) + source.pixels > LARGEST_AT_ONCE:
                yield block
                block = []
            block.append(source)
        yield block


def _source(members: Members, position: int) -> _Source:
    try:
        data = members.read(members.names[position])
    except images.BadImage:
        return _Source(position, 0, None)
    return _Source(position, members.weight(data), data if len(data) <= KEPT else None)


def _image(members: Members, source: _Source, crop: Crop | None) -> _Image | _Bad:
    name = members.names[source.position]
    title = members.title(name)
    try:
        data = source.data if source.data is not None else members.read(name)
        found = members.decode(data, title)
        pixels = found.pixels if crop is None else _cropped(found.pixels, title, crop)
    except images.BadImage as error:
        return _Bad(source.position, str(error))
    lossless = found.encoding == "webp" and b"VP8L" in data[:WEBP_HEADERS]
    rate = 8 * len(data) / (found.pixels.shape[0] * found.pixels.shape[1])
    return _Image(source.position, pixels, "lossless webp" if lossless else found.encoding, rate, found.notes)


def _cropped(pixels: np.ndarray, title: str, crop: Crop) -> np.ndarray:
    if min(pixels.shape[:2]) < crop.resolution:
        raise images.BadImage(f"The image {title} is smaller than the crop of {crop.resolution} pixels; replace it.")
    return images.PROTOCOLS[crop.protocol](pixels, crop.resolution)


def _absent(folder: Path) -> Path:
    """The folder's path, with nothing there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder
