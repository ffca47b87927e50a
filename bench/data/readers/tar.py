"""WebDataset shards: uncompressed tar files whose members ``KEY.jpg``, ``KEY.cls``, ... belong together by KEY."""

from __future__ import annotations

import math
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bench.core import digest
from bench.core.files import expanded, identity, regular
from bench.core.images import BadImage
from bench.core.visible import in_short
from bench.data.readers import samples
from bench.data.readers.files import Members, is_image
from bench.data.readers.safety import LARGEST_COUNT, LARGEST_MEMBER, class_number, refuse_name
from bench.errors import Missing, UsageError

_BRACES = re.compile(r"\{(\d{1,18})\.\.(\d{1,18})\}")
MOST_SHARDS = 100_000
"""Files that a pattern may stand for; more is a slip of the pen."""
LONGEST_LABEL = 32
"""Bytes that a ``.cls`` member may have."""
RECORD = 512
"""Bytes of a header; two of zeros end an archive."""

Place = tuple[Path, int, int]
"""Shard, offset and length of a member's bytes."""


def shards(pattern: str) -> list[Path]:
    """The shards of a file, a folder of ``*.tar``, or a pattern such as ``data-{000..041}.tar``."""
    count = math.prod(max(1, int(last) - int(first) + 1) for first, last in _BRACES.findall(pattern))
    if count > MOST_SHARDS:
        raise UsageError(f"{pattern} stands for {count:,} shards, more than {MOST_SHARDS:,}; write a narrower range.")
    paths = _named(pattern)
    absent = [path for path in paths if not path.exists()]
    if absent or not paths:
        raise Missing(f"There is no shard {absent[0] if absent else pattern}; check the pattern.")
    return paths


def _named(pattern: str) -> list[Path]:
    found = _BRACES.search(pattern)
    if not found:
        path = expanded(pattern)
        return sorted(path.glob("*.tar")) if path.is_dir() else [path]
    width, first, last = len(found[1]), int(found[1]), int(found[2])
    pieces = [f"{pattern[: found.start()]}{i:0{width}d}{pattern[found.end() :]}" for i in range(first, last + 1)]
    return [path for piece in pieces for path in _named(piece)]


def opened(paths: Sequence[Path]) -> Members:
    """The images of shards as members named ``SHARD/KEY.EXT``; a ``.cls`` member gives the label.

    Raises :class:`UsageError` for a compressed, damaged or cut off shard, a link, an unsafe name, several images in
    one sample, or a partial set of labels.
    """
    places: dict[str, Place] = {}
    labels: dict[str, int] = {}
    others: Counter[str] = Counter()
    states = [regular(path) for path in paths]
    for path in paths:
        shard = _shard(path)
        images, classes, rest = samples.assigned(str(path), shard.images, shard.labels)
        clash = places.keys() & {f"{path.stem}/{name}" for name in images}
        if clash:
            raise UsageError(
                f"Two shards hold '{min(clash)}', {path} and another of its name; give every shard a name of its own."
            )
        places |= {f"{path.stem}/{name}": shard.places[name] for name in images}
        labels |= {f"{path.stem}/{name}": label for name, label in classes.items()}
        others.update(rest)
    if not places:
        raise UsageError(f"{paths[0]} holds no image; a sample's image is a member such as KEY.jpg or KEY.png.")
    if labels and labels.keys() != places.keys():
        absent = min(places.keys() - labels.keys())
        raise UsageError(f"'{absent}' of {paths[0]} has no .cls member although others have; label all images or none.")
    facts = [(str(path.resolve()), identity(state)) for path, state in zip(paths, states, strict=True)]
    return Members(
        str(paths[0]),
        tuple(sorted(places)),
        digest.of_value(["tar", 2, facts]),
        _reader(places),
        labels=labels or None,
        changed=max(state.st_ctime_ns for state in states),
        left_out=others,
    )


def _reader(places: Mapping[str, Place]) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        path, offset, size = places[name]
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        if len(data) != size:
            raise BadImage(f"The shard {path} is truncated at '{name}'; download it again.")
        return data

    return read


@dataclass
class _Shard:
    """What lies in one shard: image members in their order, where each is, and the labels by member."""

    images: list[str] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)


def _shard(path: Path) -> _Shard:
    shard = _Shard()
    try:
        with tarfile.open(path, "r:") as archive:
            for member in _members(archive, path):
                if is_image(member.name):
                    if member.name in shard.places:
                        raise UsageError(f"{path} holds '{member.name}' twice; pack it again.")
                    shard.images.append(member.name)
                    shard.places[member.name] = (path, member.offset_data, member.size)
                elif PurePosixPath(member.name).suffix.lower() == ".cls":
                    shard.labels[member.name] = _label(archive, member, path)
                if len(shard.images) > LARGEST_COUNT:
                    raise UsageError(f"{path} holds more than {LARGEST_COUNT} images; split it.")
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, RecursionError) as error:
        raise UsageError(
            f"{path} is not a readable uncompressed tar file ({in_short(error)}); unpack or download it."
        ) from error
    return shard


def _members(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """The regular members; tarfile takes a damaged header for the end, so what is there at the end is looked at."""
    ends = 0
    for member in archive:
        _refuse_unsafe(path, member)
        ends = archive.offset
        if member.isreg():
            yield member
    with path.open("rb") as file:
        file.seek(ends)
        rest = file.read(RECORD)
        if len(rest) < RECORD:
            raise UsageError(f"{path} is cut off: it has no end of archive; download or pack it again.")
        while rest:
            if rest.strip(b"\0"):
                raise UsageError(
                    f"{path} is damaged at byte {ends}, or several archives joined; download it again, or pack one."
                )
            rest = file.read(1 << 20)


def _label(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> int:
    file = archive.extractfile(member)
    text = file.read(LONGEST_LABEL + 1) if file is not None else b""
    try:
        if len(text) > LONGEST_LABEL:
            raise ValueError("it is too long")
        return class_number(int(text))
    except ValueError as error:
        raise UsageError(f"'{member.name}' of {path} is no class number; a .cls member holds an integer.") from error


def _refuse_unsafe(path: Path, member: tarfile.TarInfo) -> None:
    refuse_name(path, member.name)
    if member.issym() or member.islnk():
        raise UsageError(f"{path} holds a link ('{member.name}'); pack the files themselves.")
    if member.size < 0 or member.issparse():
        raise UsageError(f"{path} holds '{member.name}' with a size of {member.size} or with holes; pack it again.")
    if member.size > LARGEST_MEMBER and is_image(member.name):
        raise UsageError(f"{path} is refused: '{member.name}' is {member.size} bytes, more than an image file can be.")
