"""WebDataset shards: uncompressed tar files whose members ``KEY.jpg``, ``KEY.cls``, ... belong together by KEY."""

from __future__ import annotations

import math
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from bench.core import digest
from bench.core.images import BadImage
from bench.data.readers.files import LARGEST_MEMBER, Members, is_image, refuse_name
from bench.errors import Missing, UsageError

_BRACES = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
MOST_SHARDS = 100_000
"""Files that a pattern may stand for; more is a slip of the pen."""
Place = tuple[Path, int, int]
"""Shard, offset and length of a member's bytes."""


def shards(pattern: str) -> list[Path]:
    """The shards of a file, a folder of ``*.tar``, or a pattern such as ``data-{000..041}.tar``."""
    count = math.prod(int(last) - int(first) + 1 for first, last in _BRACES.findall(pattern))
    if count > MOST_SHARDS:
        raise UsageError(f"{pattern} stands for {count:,} shards, more than {MOST_SHARDS:,}; write a narrower range.")
    found = _BRACES.search(pattern)
    if found:
        width, first, last = len(found[1]), int(found[1]), int(found[2])
        pieces = [f"{pattern[: found.start()]}{i:0{width}d}{pattern[found.end() :]}" for i in range(first, last + 1)]
        paths = [path for piece in pieces for path in shards(piece)]
    else:
        path = Path(pattern).expanduser()
        paths = sorted(path.glob("*.tar")) if path.is_dir() else [path]
    absent = [path for path in paths if not path.is_file()]
    if absent or not paths:
        raise Missing(f"There is no shard {absent[0] if absent else pattern}; check the pattern.")
    return paths


def opened(paths: Sequence[Path]) -> Members:
    """The images of shards as members named ``SHARD/KEY.EXT``; a ``.cls`` member gives the label.

    Raises :class:`UsageError` for a compressed or damaged shard, a link, an unsafe name or a partial set of labels.
    """
    places: dict[str, Place] = {}
    labels: dict[str, int] = {}
    facts = []
    for path in paths:
        status = path.stat()
        facts.append((str(path.resolve()), status.st_size, status.st_mtime_ns))
        found, classes = _shard(path)
        clash = places.keys() & found.keys()
        if clash:
            raise UsageError(f"Two shards hold '{min(clash)}'; give every shard a name of its own.")
        places |= found
        labels |= classes
    if labels and labels.keys() != places.keys():
        absent = min(places.keys() - labels.keys())
        raise UsageError(f"'{absent}' has no .cls member although others have; label all images or none.")

    def read(name: str) -> bytes:
        path, offset, size = places[name]
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        if len(data) != size:
            raise BadImage(f"The shard {path} is truncated at '{name}'; download it again.")
        return data

    names = tuple(sorted(places))
    return Members(str(paths[0]), names, digest.of_value(["tar", facts]), read, labels=labels or None)


def _shard(path: Path) -> tuple[dict[str, Place], dict[str, int]]:
    """Where a shard's images lie, and their labels, by name."""
    images: dict[str, Place] = {}
    by_key: dict[str, str] = {}
    classes: dict[str, int] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                _refuse_unsafe(path, member)
                if not member.isreg():
                    continue
                key, _, ending = _split(member.name)
                if is_image(member.name):
                    by_key[key] = name = f"{path.stem}/{member.name}"
                    images[name] = (path, member.offset_data, member.size)
                elif ending == "cls":
                    classes[key] = _label(archive, member, path)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise UsageError(f"{path} is not a readable uncompressed tar file ({error}); unpack or download it.") from error
    return images, {by_key[key]: label for key, label in classes.items() if key in by_key}


def _split(name: str) -> tuple[str, str, str]:
    """A member's key (its folder and its name up to the first dot), a dot, and the rest, in lower case."""
    pure = PurePosixPath(name)
    key, dot, ending = pure.name.partition(".")
    return str(pure.parent / key), dot, ending.lower()


def _label(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> int:
    file = archive.extractfile(member)
    text = file.read(32) if file is not None else b""
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"'{member.name}' of {path} is no class number; a .cls member holds an integer.") from error


def _refuse_unsafe(path: Path, member: tarfile.TarInfo) -> None:
    refuse_name(path, member.name)
    if member.issym() or member.islnk():
        raise UsageError(f"{path} holds a link ('{member.name}'); pack the files themselves.")
    if member.size > LARGEST_MEMBER and is_image(member.name):
        raise UsageError(f"{path} is refused: '{member.name}' is {member.size} bytes, more than an image file can be.")
