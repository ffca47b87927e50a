"""Image sets as ``score`` and ``stats`` take them: folders, zip files, batches of arrays, frozen folders.

Nothing is resized unless a crop is named, and images of several sizes stay in one order. The frozen pixels are
keyed by the digests of the source files, so an unchanged folder is decoded once. No torch.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from bench.core import digest, images, registry
from bench.core.progress import Progress, silent
from bench.data import frozen as arrays
from bench.data import manifest, mixed, prepare, set_decoding, sized
from bench.data.dataset import BadImages, DatasetRequest
from bench.data.frozen import Frozen
from bench.data.mixed import Mixed
from bench.data.readers import npz
from bench.data.readers.files import Members, counted, open_path
from bench.data.set_decoding import Crop
from bench.errors import Missing, UsageError

_SIZE = "<ii"
MANY_SIZES = 8
"""Sizes above which a remark says the smallest and the largest alone."""

LOSSY = frozenset(("jpeg", "webp", "jpeg2000", "avif", "gif"))


@dataclass(frozen=True)
class ImageFiles:
    """Decoded images of one size or of several; ``names`` in their order.

    ``encodings`` counts the files' formats and ``notes`` what was converted or not applied in decoding. ``left_out``
    counts the files that are no images, by ending; ``bad`` says of each image that could not be used why, by its name.
    ``rates`` are the bits of each file over the pixels that it holds, in the order of ``names``; empty where the images
    are no files of their own. ``said`` is what a dataset says of its images.
    """

    origin: str
    images: Frozen | Mixed
    names: tuple[str, ...]
    encodings: Mapping[str, int]
    notes: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    bad: Mapping[str, str] = field(default_factory=dict)
    rates: tuple[float, ...] = ()
    said: tuple[str, ...] = ()

    @property
    def sizes(self) -> list[str]:
        """``WIDTHxHEIGHT`` of each image."""
        return [f"{width}x{height}" for height, width in sized.sizes(self.images).tolist()]


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

    path: Path
    members: Members
    frozen: Frozen | Mixed | None = None


def find(path: Path) -> Source:
    """What is at a path, its images in the order of their names without suffix.

    Raises :class:`Missing` or :class:`UsageError` where there are none.
    """
    if (path / arrays.MANIFEST).is_file():
        frozen = mixed.open_images(path)
        stamp = digest.of_value(["frozen", frozen.digest])
        if isinstance(frozen, Mixed):
            return Source(path, _numbered(path, frozen, stamp), frozen)
        return Source(path, npz.numbered(path, frozen.pixels.transpose(0, 2, 3, 1), stamp), frozen)
    members = _members(path)
    return Source(path, replace(members, names=tuple(sorted(members.names, key=_stem))))


def open_set(
    source: Source,
    cache: Path,
    crop: Crop | None = None,
    progress: Progress = silent,
    on_bad: BadImages = "fail",
    verify: bool = False,
    order: Sequence[int] = (),
) -> ImageFiles:
    """The images of a source; ``order``, where it is given, lists the positions of all of its names anew.

    ``verify`` reads every file again, whatever is remembered of its digest. Raises :class:`UsageError` where an image
    cannot be used and ``on_bad`` is not "skip", and where none can.
    """
    members, path = _ordered(source.members, order), source.path
    if source.frozen is not None and crop is not None:
        raise UsageError(f"{path} is a frozen array; it was cropped when it was made and takes no --crop.")
    if source.frozen is not None and members is source.members:
        return ImageFiles(str(path), source.frozen, members.names, {"raw": len(source.frozen)})
    request = DatasetRequest(path.name, str(path), 0, "", cache, verify=verify)
    rows = prepare.source_digests(request, members)
    found = set_decoding.decoded(members, rows, cache, crop, progress)
    bad = {members.names[int(position)]: reason for position, reason in found["bad"]}
    if bad and on_bad == "fail":
        raise images.skippable(images.BadImage(next(iter(bad.values()))))
    if len(bad) == len(members.names):
        raise UsageError(f"No image of {path} can be used ({len(bad)} are bad). {next(iter(bad.values()))}")
    return ImageFiles(
        str(path),
        mixed.open_images(cache / "images" / found["folder"]),
        tuple(members.names[position] for position in found["positions"]),
        found["encodings"],
        found["notes"],
        members.left_out,
        bad,
        tuple(found["rates"]) if members.decode is images.decode else (),
    )


def _ordered(members: Members, order: Sequence[int]) -> Members:
    """The members in another order, which their stamp then tells, since digests are remembered under it."""
    if list(order) == sorted(order):
        return members
    stamp = digest.of_value([members.stamp, list(order)])
    return replace(members, names=tuple(members.names[i] for i in order), stamp=stamp)


def _members(path: Path) -> Members:
    if not path.exists():
        raise Missing(f"There is no folder, archive or array file {path}; check the path.")
    if path.suffix == ".npz":
        return npz.opened(path, labelled=False)
    return npz.array(path) if path.suffix == ".npy" else open_path(path)


def _numbered(path: Path, frozen: Mixed, stamp: str) -> Members:
    """Images of several sizes as members named by their number; their bytes are height and width, then the pixels."""
    names = tuple(f"{i:08d}" for i in range(len(frozen)))

    def read(name: str) -> bytes:
        pixels = frozen.image(int(name)).transpose(1, 2, 0)
        return struct.pack(_SIZE, *pixels.shape[:2]) + np.ascontiguousarray(pixels).tobytes()

    def decode(data: bytes, title: str) -> images.Decoded:
        size = struct.unpack_from(_SIZE, data)
        return images.Decoded(np.frombuffer(data, np.uint8, offset=struct.calcsize(_SIZE)).reshape(*size, 3), "raw")

    return Members(str(path), names, stamp, read, decode)


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def remarks(reference: ImageFiles | None, candidate: ImageFiles, called: str = "candidate") -> Iterator[str]:
    """What a reader of the scores should know of the files."""
    for name, files in (("reference", reference), (called, candidate)):
        if files is None:
            continue
        lossy = {k: n for k, n in files.encodings.items() if k in LOSSY}
        if lossy:
            said = ", ".join(f"{n} {kind}" for kind, n in sorted(lossy.items()))
            yield (
                f"the {name} holds lossy files ({said}): compression changes FID and every pair metric; "
                "samples and reconstructions should be lossless (PNG)"
            )
        yield from files.said
        if files.notes:
            yield f"the {name}, {manifest.converted(files.notes)}"
        if files.left_out:
            others = sum(files.left_out.values())
            yield f"{others} files of the {name} are not among the images: {counted(files.left_out)}"
        if files.bad:
            total = len(files.names) + len(files.bad)
            first = next(iter(files.bad.values())).rstrip(".")
            yield f"{len(files.bad)} of {total} images of the {name} left out (for example: {first})"
        counts = Counter(files.sizes)
        if len(counts) > MANY_SIZES:
            yield f"the {name} holds images of {len(counts)} sizes, {sized.said(sized.sizes(files.images))}"
        elif len(counts) > 1:
            listed = ", ".join(f"{counts[size]} of {size}" for size in sorted(counts, key=_by_height))
            yield f"the {name} holds images of {len(counts)} sizes ({listed})"


def _by_height(size: str) -> tuple[int, int]:
    width, height = map(int, size.split("x"))
    return height, width
