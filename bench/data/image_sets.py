"""Image sets as ``score`` and ``stats`` take them: folders, zip files, batches of arrays, frozen folders.

Nothing is resized unless a crop is named. Images of several sizes become one array per size. The frozen pixels are
keyed by the digests of the source files, so an unchanged folder is decoded once. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from bench.core import digest, images, registry
from bench.core.progress import Progress, silent
from bench.data import frozen as arrays
from bench.data import manifest, prepare, set_decoding
from bench.data.dataset import BadImages, DatasetRequest
from bench.data.frozen import Frozen
from bench.data.readers import npz
from bench.data.readers.files import Members, counted, open_path
from bench.data.set_decoding import Crop
from bench.errors import Missing, UsageError

LOSSY = frozenset(("jpeg", "webp", "jpeg2000", "avif", "gif"))


@dataclass(frozen=True)
class ImageFiles:
    """Decoded images: one frozen array per size, small sizes first; ``names`` in the same order.

    ``encodings`` counts the files' formats and ``notes`` what was converted or not applied in decoding;
    ``order[i]`` is the place of image i in the order of all names. ``left_out`` counts the files that are no images,
    by ending; ``bad`` says of each image that could not be used why, by its name. ``rates`` are the bits of each file
    over the pixels that it holds, in the order of ``names``; empty where the images are no files of their own.
    ``said`` is what a dataset says of its images.
    """

    origin: str
    arrays: tuple[Frozen, ...]
    names: tuple[str, ...]
    encodings: Mapping[str, int]
    order: tuple[int, ...]
    notes: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    bad: Mapping[str, str] = field(default_factory=dict)
    rates: tuple[float, ...] = ()
    said: tuple[str, ...] = ()

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

    path: Path
    members: Members
    frozen: Frozen | None = None


def find(path: Path) -> Source:
    """What is at a path, its images in the order of their names without suffix.

    Raises :class:`Missing` or :class:`UsageError` where there are none.
    """
    if (path / arrays.MANIFEST).is_file():
        frozen = arrays.open_frozen(path)
        stamp = digest.of_value(["frozen", frozen.digest])
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
        return whole(str(path), source.frozen, members.names, {"raw": len(source.frozen)})
    request = DatasetRequest(path.name, str(path), 0, "", cache, verify=verify)
    rows = prepare.source_digests(request, members)
    found = set_decoding.decoded(members, rows, cache, crop, progress)
    bad = {members.names[int(position)]: reason for position, reason in found["bad"]}
    if bad and on_bad == "fail":
        raise images.skippable(images.BadImage(next(iter(bad.values()))))
    if len(bad) == len(members.names):
        raise UsageError(f"No image of {path} can be used ({len(bad)} are bad). {next(iter(bad.values()))}")
    positions = [position for group in found["groups"] for position in group["positions"]]
    place = {position: i for i, position in enumerate(sorted(positions))}
    return ImageFiles(
        str(path),
        tuple(arrays.open_frozen(cache / "images" / group["folder"]) for group in found["groups"]),
        tuple(members.names[position] for position in positions),
        found["encodings"],
        tuple(place[position] for position in positions),
        found["notes"],
        members.left_out,
        bad,
        tuple(rate for group in found["groups"] for rate in group["rates"]) if members.decode is images.decode else (),
    )


def _ordered(members: Members, order: Sequence[int]) -> Members:
    """The members in another order, which their stamp then tells, since digests are remembered under it."""
    if list(order) == sorted(order):
        return members
    stamp = digest.of_value([members.stamp, list(order)])
    return replace(members, names=tuple(members.names[i] for i in order), stamp=stamp)


def whole(origin: str, frozen: Frozen, names: tuple[str, ...], encodings: Mapping[str, int]) -> ImageFiles:
    """One array of images of one size."""
    return ImageFiles(origin, (frozen,), names, encodings, tuple(range(len(frozen))))


def _members(path: Path) -> Members:
    if not path.exists():
        raise Missing(f"There is no folder, archive or array file {path}; check the path.")
    if path.suffix == ".npz":
        return npz.opened(path, labelled=False)
    return npz.array(path) if path.suffix == ".npy" else open_path(path)


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
        if len(files.arrays) > 1:
            counts = ", ".join(f"{len(a)} of {size}" for a, size in zip(files.arrays, files.sizes, strict=True))
            yield f"the {name} holds images of {len(files.arrays)} sizes ({counts})"
