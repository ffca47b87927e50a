"""Image sets as ``score`` and ``stats`` take them: folders, zip files, batches of arrays, frozen folders.

Nothing is resized unless a crop is named. Images of several sizes become one array per size. The frozen pixels are
keyed by the digests of the source files, so an unchanged folder is decoded once. No torch.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import PIL

from bench.core import digest, images, registry
from bench.core.files import locked, write_bytes
from bench.core.progress import Progress, silent
from bench.data import frozen as arrays
from bench.data import prepare
from bench.data.dataset import DatasetRequest
from bench.data.freezing import Block, Writer
from bench.data.frozen import Frozen
from bench.data.readers import npz
from bench.data.readers.files import Members, open_path
from bench.errors import IntegrityError, Missing, UsageError

BLOCK = 64
LOSSY = frozenset(("jpeg", "webp", "jpeg2000", "avif", "gif"))
WEBP_HEADERS = 64
"""Bytes of a WebP file among which its first chunk's name is; ``VP8L`` is the lossless one."""


@dataclass(frozen=True)
class Crop:
    """A data protocol and a resolution, applied to every image before it is measured; ``ldm:256``."""

    protocol: str
    resolution: int


@dataclass(frozen=True)
class ImageFiles:
    """Decoded images: one frozen array per size, small sizes first; ``names`` in the same order.

    ``encodings`` counts the files' formats; ``order[i]`` is the place of image i in the order of all names.
    """

    origin: str
    arrays: tuple[Frozen, ...]
    names: tuple[str, ...]
    encodings: Mapping[str, int]
    order: tuple[int, ...]

    @property
    def listed(self) -> list[str]:
        """The names in the order of all images, whatever their sizes."""
        return [name for _, name in sorted(zip(self.order, self.names, strict=True))]

    @property
    def sizes(self) -> list[str]:
        """``WIDTHxHEIGHT`` of each array."""
        return [f"{a.pixels.shape[3]}x{a.pixels.shape[2]}" for a in self.arrays]


def parse_crop(text: str | None) -> Crop | None:
    """``PROTOCOL:SIDE`` or None; raises :class:`UsageError` for another form."""
    if text is None:
        return None
    protocol, _, side = text.partition(":")
    registry.lookup(images.PROTOCOLS, protocol, "data protocol")
    if not side.isdigit() or int(side) < 1:
        raise UsageError(f"--crop {text}: write a data protocol and a side in pixels, for example ldm:256.")
    return Crop(protocol, int(side))


@dataclass(frozen=True)
class Source:
    """An image set that is found but not decoded; ``frozen`` where it is a frozen folder, whose images are ready."""

    members: Members
    frozen: Frozen | None = None


def find(path: Path) -> Source:
    """What is at a path, its images in the order of their names without suffix.

    Raises :class:`Missing` or :class:`UsageError` where there are none.
    """
    if (path / arrays.MANIFEST).is_file():
        frozen = arrays.open_frozen(path)
        return Source(_array_of(str(path), frozen.pixels.transpose(0, 2, 3, 1), ["frozen", frozen.digest]), frozen)
    members = _members(path)
    return Source(replace(members, names=tuple(sorted(members.names, key=_stem))))


def open_set(
    source: Source, cache: Path, crop: Crop | None = None, progress: Progress = silent, order: Sequence[int] = ()
) -> ImageFiles:
    """The images of a source; ``order``, where it is given, lists the positions of all of its names anew.

    Raises :class:`UsageError` where one cannot be used.
    """
    members = source.members
    if source.frozen is not None and crop is not None:
        raise UsageError(f"{members.origin} is a frozen array; it was cropped when it was made and takes no --crop.")
    if source.frozen is not None and list(order) in ([], sorted(order)):
        return whole(members.origin, source.frozen, members.names, {"raw": len(source.frozen)})
    if order:
        members = replace(members, names=tuple(members.names[i] for i in order))
    request = DatasetRequest(Path(members.origin).name, members.origin, 0, "", cache)
    rows = prepare.source_digests(request, _stamped(members, order))
    recipe = {
        "sources": hashlib.sha256(rows.tobytes()).hexdigest(),
        "crop": None if crop is None else [crop.protocol, crop.resolution],
        "decoder": f"pillow {PIL.__version__}",
        "version": 1,
    }
    index = cache / "scored" / f"{digest.of_value(recipe)[:32]}.json"
    with locked(index):
        found = _known(index) or _decode(members, index, crop, progress)
    places = tuple(position for group in found["groups"] for position in group["positions"])
    frozen_arrays = tuple(arrays.open_frozen(cache / "images" / group["folder"]) for group in found["groups"])
    return ImageFiles(
        members.origin, frozen_arrays, tuple(members.names[i] for i in places), found["encodings"], places
    )


def _stamped(members: Members, order: Sequence[int]) -> Members:
    """The members with a stamp that also tells their order, since digests are remembered in it."""
    return replace(members, stamp=digest.of_value([members.stamp, list(order)])) if order else members


def whole(origin: str, frozen: Frozen, names: tuple[str, ...], encodings: Mapping[str, int]) -> ImageFiles:
    """One array of images of one size."""
    return ImageFiles(origin, (frozen,), names, encodings, tuple(range(len(frozen))))


def mismatch(reference: ImageFiles, candidate: ImageFiles) -> str | None:
    """Why images of several sizes cannot be compared pair by pair: the sizes do not belong to the same images."""
    if len(reference.order) != len(candidate.order) or reference.order == candidate.order:
        return None
    one, other = (dict(zip(files.order, map(_stem, files.names), strict=True)) for files in (reference, candidate))
    sizes = [dict(zip(files.order, _sizes(files), strict=True)) for files in (reference, candidate)]
    place = next(i for i in one if sizes[0][i] != sizes[1][i])
    return (
        f"{one[place]} of the reference has {sizes[0][place]} pixels and {other[place]} of the candidate "
        f"{sizes[1][place]}; pairs need equal sizes"
    )


def _sizes(files: ImageFiles) -> list[str]:
    return [size for array, size in zip(files.arrays, files.sizes, strict=True) for _ in range(len(array))]


def _members(path: Path) -> Members:
    if not path.exists():
        raise Missing(f"There is no folder, archive or array file {path}; check the path.")
    if path.suffix == ".npz":
        return npz.opened(path)
    return _array_members(path) if path.suffix == ".npy" else open_path(path)


def _array_members(path: Path) -> Members:
    """uint8 ``[N, H, W, 3]`` or ``[N, 3, H, W]`` in a ``.npy`` file."""
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path} is not a readable .npy file ({error}); save it again.") from error
    if pixels.dtype == np.uint8 and pixels.ndim == 4 and pixels.shape[3] != 3 and pixels.shape[1] == 3:
        pixels = pixels.transpose(0, 2, 3, 1)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3 or not len(pixels):
        raise UsageError(f"{path} holds {pixels.dtype} {pixels.shape}; images are uint8 [N, H, W, 3] or [N, 3, H, W].")
    status = path.stat()
    return _array_of(str(path), pixels, ["npy", str(path.resolve()), status.st_size, status.st_mtime_ns])


def _array_of(origin: str, pixels: np.ndarray, stamp: list[Any]) -> Members:
    """uint8 ``[N, H, W, 3]`` as members named by their number; ``stamp`` changes whenever the array does."""
    height, width = pixels.shape[1:3]
    return Members(
        origin,
        tuple(f"{i:08d}" for i in range(len(pixels))),
        digest.of_value(stamp),
        lambda name: np.ascontiguousarray(pixels[int(name)]).tobytes(),
        lambda data, name: images.Decoded(np.frombuffer(data, np.uint8).reshape(height, width, 3), "raw"),
    )


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _known(index: Path) -> dict[str, Any] | None:
    """What an earlier decoding left, when all of its arrays are there and whole."""
    try:
        found: dict[str, Any] = json.loads(index.read_text())
        for group in found["groups"]:
            arrays.open_frozen(index.parents[1] / "images" / group["folder"])
        return found
    except (OSError, ValueError, KeyError, TypeError, IntegrityError):
        return None


def _decode(members: Members, index: Path, crop: Crop | None, progress: Progress) -> dict[str, Any]:
    """Decodes everything in parallel into one frozen folder per size, and writes the index last."""
    store = index.parents[1] / "images"
    writers: dict[tuple[int, int], Writer] = {}
    positions: dict[tuple[int, int], list[int]] = {}
    encodings: Counter[str] = Counter()
    with ThreadPoolExecutor() as pool, progress(f"read {Path(members.origin).name}", len(members.names)) as advance:
        for start in range(0, len(members.names), BLOCK):
            names = members.names[start : start + BLOCK]
            decoded = list(pool.map(lambda name: _pixels(members, name, crop), names))
            encodings.update(encoding for _, encoding in decoded)
            for size, rows in _by_size([pixels for pixels, _ in decoded]).items():
                if size not in writers:
                    folder = store / f"{index.stem}-{size[1]}x{size[0]}"
                    writers[size] = Writer(_absent(folder), *size)
                positions.setdefault(size, []).extend(start + row for row in rows)
                writers[size].append(Block(np.stack([decoded[row][0].transpose(2, 0, 1) for row in rows])))
            advance(len(names))
    groups = []
    for size in sorted(writers):
        frozen = writers[size].finish({"what": "scored", "origin": members.origin})
        groups.append({"folder": str(frozen.folder and frozen.folder.name), "positions": positions[size]})
    found = {"groups": groups, "encodings": dict(encodings)}
    write_bytes(index, json.dumps(found).encode())
    return found


def _absent(folder: Path) -> Path:
    """The folder's path, with nothing there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _pixels(members: Members, name: str, crop: Crop | None) -> tuple[np.ndarray, str]:
    data = members.read(name)
    decoded = members.decode(data, name)
    encoding = "lossless webp" if decoded.encoding == "webp" and b"VP8L" in data[:WEBP_HEADERS] else decoded.encoding
    if crop is None:
        return decoded.pixels, encoding
    if min(decoded.pixels.shape[:2]) < crop.resolution:
        raise UsageError(f"The image {name} of {members.origin} is smaller than the crop of {crop.resolution} pixels.")
    return images.PROTOCOLS[crop.protocol](decoded.pixels, crop.resolution), encoding


def _by_size(pictures: Sequence[np.ndarray]) -> dict[tuple[int, int], list[int]]:
    found: dict[tuple[int, int], list[int]] = {}
    for row, pixels in enumerate(pictures):
        found.setdefault((pixels.shape[0], pixels.shape[1]), []).append(row)
    return found


def remarks(reference: ImageFiles | None, candidate: ImageFiles) -> Iterator[str]:
    """What a reader of the scores should know of the files."""
    for name, files in (("reference", reference), ("candidate", candidate)):
        if files is None:
            continue
        lossy = {k: n for k, n in files.encodings.items() if k in LOSSY}
        if lossy:
            said = ", ".join(f"{n} {kind}" for kind, n in sorted(lossy.items()))
            yield (
                f"the {name} holds lossy files ({said}): compression changes FID and every pair metric; "
                "samples and reconstructions should be lossless (PNG)"
            )
        if len(files.arrays) > 1:
            counts = ", ".join(f"{len(a)} of {size}" for a, size in zip(files.arrays, files.sizes, strict=True))
            yield f"the {name} holds images of {len(files.arrays)} sizes ({counts})"
