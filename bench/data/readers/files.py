"""Named byte strings in a folder or an archive: how every dataset reader gives its images to :mod:`bench.data.prepare`.

Archives are not trusted: a member with an absolute or ``..`` name, a link, an encrypted member, or one that unpacks
to far more than it should makes the whole archive refused, before anything is read.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from bench.core import digest, images
from bench.errors import Missing, UsageError

LARGEST_MEMBER = 1 << 28
"""Bytes (256 MiB) that one image of an archive may unpack to."""

LARGEST_RATIO = 1000
"""How many times its packed size a member of an archive may be; image files hardly compress."""

VALIDATION_NAMES = ("val", "validation", "valid", "test")
NVIDIA_INDEX = "dataset.json"


@dataclass(frozen=True)
class Members:
    """The images of one source. ``origin`` stands in messages; ``stamp`` changes whenever a file of it changes.

    ``read(name)`` gives the source bytes of one image, from any thread; ``decode(bytes, name)`` its pixels.
    ``labels`` maps names to class numbers, where there are classes.
    """

    origin: str
    names: tuple[str, ...]
    stamp: str
    read: Callable[[str], bytes]
    decode: Callable[[bytes, str], images.Decoded] = images.decode
    labels: Mapping[str, int] | None = None
    classes: tuple[str, ...] = ()


def open_path(path: Path) -> Members:
    """The images of a folder or of a zip file; :class:`Missing` or :class:`UsageError` where there are none."""
    if not path.exists():
        raise Missing(f"There is no folder or archive {path}; check the path.")
    members = folder(path) if path.is_dir() else archive(path)
    if not members.names:
        kinds = ", ".join(sorted(images.EXTENSIONS))
        raise UsageError(f"{path} holds no image; images end in {kinds}.")
    return members


def folder(path: Path) -> Members:
    """The image files under a folder, in the order of their names; links are followed, hidden files left out."""
    found: dict[str, Path] = {}
    facts = []
    for file in _walk(path, frozenset()):
        name = file.relative_to(path).as_posix()
        if is_image(name) or name == NVIDIA_INDEX:
            status = file.stat()
            facts.append((name, status.st_size, status.st_mtime_ns, status.st_ino))
            found[name] = file
    stamp = digest.of_value(["folder", str(path.resolve()), sorted(facts)])

    def read(name: str) -> bytes:
        try:
            return found[name].read_bytes()
        except OSError as error:
            raise images.BadImage(f"The image {found[name]} cannot be read ({error.strerror}).") from error

    return _indexed(str(path), found, stamp, read)


def _walk(path: Path, above: frozenset[str]) -> Iterable[Path]:
    """The files below a folder; a link that leads back to a folder above is not followed."""
    real = os.path.realpath(path)
    if real in above:
        return
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, above | {real})
        elif entry.is_file():
            yield entry


def archive(path: Path) -> Members:
    """The image files of a zip file. It stays open, so that members are read in any order from any thread."""
    try:
        opened = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise UsageError(f"{path} is not a readable zip file ({error}); download or pack it again.") from error
    infos = [info for info in opened.infolist() if not info.is_dir()]
    for info in infos:
        _refuse_unsafe(path, info)
    found = {i.filename: i for i in infos if is_image(i.filename) or i.filename == NVIDIA_INDEX}
    status = path.stat()
    facts = [(info.filename, info.file_size, info.CRC) for info in found.values()]
    stamp = digest.of_value(["zip", str(path.resolve()), status.st_size, status.st_mtime_ns, sorted(facts)])

    def read(name: str) -> bytes:
        try:
            return opened.read(found[name])
        # the last is zipfile's answer to a compression method that it lacks
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, ValueError, NotImplementedError) as error:
            raise images.BadImage(f"The image {name} of {path} cannot be unpacked ({error}).") from error

    return _indexed(str(path), found, stamp, read)


def _refuse_unsafe(path: Path, info: zipfile.ZipInfo) -> None:
    refuse_name(path, info.filename)
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UsageError(f"{path} holds a link ('{info.filename}'); pack the files themselves.")
    if info.flag_bits & 1:
        raise UsageError(f"{path} is encrypted ('{info.filename}'); pack it without a password.")
    refuse_bomb(path, info.filename, info.file_size, info.compress_size)


def refuse_name(path: Path, name: str) -> None:
    """Raises :class:`UsageError` for a member whose name leads out of the archive's folder."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0] or "\x00" in name:
        raise UsageError(f"{path} holds a member with the unsafe name '{name}'; pack it with plain relative names.")


def refuse_bomb(path: Path, name: str, size: int, packed: int) -> None:
    """Raises :class:`UsageError` for a member that unpacks to far more than an image file can be."""
    if not is_image(name):
        return
    if size > LARGEST_MEMBER or size > LARGEST_RATIO * max(packed, 1024):
        raise UsageError(f"{path} is refused: '{name}' unpacks from {packed} to {size} bytes, as a zip bomb does.")


def is_image(name: str) -> bool:
    """Whether a member counts as an image: by its ending, and not hidden."""
    pure = PurePosixPath(name)
    return pure.suffix.lower() in images.EXTENSIONS and not any(p.startswith((".", "__MACOSX")) for p in pure.parts)


def _indexed(origin: str, found: Iterable[str], stamp: str, read: Callable[[str], bytes]) -> Members:
    """Members with the labels of an NVIDIA ``dataset.json``, where there is one."""
    names = tuple(sorted(name for name in found if name != NVIDIA_INDEX))
    labels = _nvidia_labels(origin, read(NVIDIA_INDEX)) if NVIDIA_INDEX in found else None
    if labels is not None and set(names) - set(labels):
        missing = min(set(names) - set(labels))
        raise UsageError(f"The {NVIDIA_INDEX} of {origin} has no label for '{missing}'; remove it or complete it.")
    return Members(origin, names, stamp, read, labels=labels)


def _nvidia_labels(origin: str, data: bytes) -> dict[str, int] | None:
    try:
        pairs = json.loads(data)["labels"]
        return None if pairs is None else {str(name): int(label) for name, label in pairs}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"The {NVIDIA_INDEX} of {origin} is not of the known form ({error}); remove it.") from error


# --------------------------------------------------------------------------------------------------------------
# Splits


def subset(members: Members, names: Iterable[str], part: str) -> Members:
    """Some of the members; ``part`` says which, for the stamp."""
    return replace(members, names=tuple(names), stamp=digest.of_value([members.stamp, part]))


def train_and_val(members: Members) -> tuple[Members, Members] | None:
    """The two splits of a source with ``train/`` and ``val/`` (or validation, valid, test) folders, else None.

    One common folder around everything is looked through. In such a source the folders within ``train/`` are
    classes, numbered in the order of their names, when every training image lies in one.
    """
    inside = len(_common_folder(members.names))
    by_top: dict[str, list[str]] = {}
    for name in members.names:
        parts = PurePosixPath(name).parts
        by_top.setdefault(parts[inside] if len(parts) > inside + 1 else "", []).append(name)
    val = next((top for top in VALIDATION_NAMES if top in by_top), None)
    if "train" not in by_top or val is None:
        return None
    classes = _classes(by_top["train"], inside + 1) if members.labels is None else ()
    return (
        _labelled(subset(members, by_top["train"], "train"), classes, inside + 1),
        _labelled(subset(members, by_top[val], val), classes, inside + 1),
    )


def only_val(members: Members) -> Members | None:
    """All images of a source that has a ``val/`` folder (or validation, valid, test) and nothing else, else None."""
    inside = len(_common_folder(members.names))
    tops = {parts[inside] if len(parts) > inside + 1 else "" for parts in map(_parts, members.names)}
    return subset(members, members.names, "val") if len(tops) == 1 and tops <= {*VALIDATION_NAMES} else None


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name).parts


def _common_folder(names: Iterable[str]) -> tuple[str, ...]:
    """The folder that holds everything, unless it is itself a split."""
    tops = {PurePosixPath(name).parts[:-1][:1] for name in names}
    top = tops.pop() if len(tops) == 1 else ()
    return () if set(top) & {"train", *VALIDATION_NAMES} else top


def _classes(names: Iterable[str], depth: int) -> tuple[str, ...]:
    parts = [PurePosixPath(name).parts for name in names]
    return tuple(sorted({p[depth] for p in parts})) if all(len(p) > depth + 1 for p in parts) else ()


def _labelled(members: Members, classes: tuple[str, ...], depth: int) -> Members:
    """With the folder names as labels, where all images of this split lie in folders of known classes."""
    if not classes:
        return members
    number = {name: i for i, name in enumerate(classes)}
    labels = {}
    for name in members.names:
        parts = PurePosixPath(name).parts
        if len(parts) <= depth + 1 or parts[depth] not in number:
            return members
        labels[name] = number[parts[depth]]
    return replace(members, labels=labels, classes=classes)
