"""Named byte strings in a folder or an archive: how every dataset reader gives its images to :mod:`bench.data.prepare`.

Archives are not trusted: a member with an absolute or ``..`` name, a link, an encrypted member, or one that unpacks
to far more than it should makes the whole archive refused, before anything is read.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from bench.core import digest, images
from bench.core.files import identity, regular
from bench.core.visible import in_short
from bench.data.readers import safety
from bench.errors import Missing, UsageError

NVIDIA_INDEX = "dataset.json"
LARGEST_FILE = 1 << 30
"""Bytes (1 GiB) of an image file; the largest that can be decoded, uncompressed in 16 bits, has 0.8."""
DEEPEST = 100
"""Folders within folders that are searched for images."""


@dataclass(frozen=True)
class Members:
    """The images of one source. ``origin`` stands in messages; ``stamp`` changes whenever a file of it changes.

    ``changed`` is when one did last, in ns: a change within the same tick of the clock would leave no trace in the
    stamp. ``read(name)`` gives the source bytes of one image, from any thread; ``decode(bytes, title)`` its pixels,
    where ``title`` stands in messages. ``check()`` compares the whole source with its own checksums, where it has any;
    it is called before digests are remembered. ``labels`` maps names to class numbers, where there are classes.
    ``left_out`` counts, by ending or folder, the files that are not among the images. ``form`` says how bytes without
    a header are laid out, which equal bytes may not be.
    """

    origin: str
    names: tuple[str, ...]
    stamp: str
    read: Callable[[str], bytes]
    decode: Callable[[bytes, str], images.Decoded] = images.decode
    labels: Mapping[str, int] | None = None
    classes: tuple[str, ...] = ()
    changed: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    check: Callable[[], None] = lambda: None
    form: str = ""

    @property
    def modules(self) -> list[str]:
        """Whose code makes pixels of the source, beside :mod:`bench.core.images`."""
        return sorted({self.read.__module__, self.decode.__module__})

    def title(self, name: str) -> str:
        """An image in messages: where it is, in full."""
        return str(Path(self.origin) / name) if os.path.isdir(self.origin) else f"{name} of {self.origin}"

    def weight(self, data: bytes) -> int:
        """How many pixels the bytes of an image will have, before they are decoded."""
        return images.pixels_of(data) if self.decode is images.decode else len(data) // 3

    def pixels(self, name: str) -> images.Decoded:
        """An image, decoded; raises :class:`bench.core.images.BadImage` with its :meth:`title`."""
        return self.decode(self.read(name), self.title(name))


def open_path(path: Path) -> Members:
    """The images of a folder or of a zip file, or the one of an image file.

    Raises :class:`Missing` or :class:`UsageError` where there are none.
    """
    if not path.exists():
        raise Missing(f"There is no folder or archive {path}; check the path.")
    read = folder if path.is_dir() else alone if is_image(path.name) else archive
    members = read(path)
    if not members.names:
        kinds = ", ".join(sorted(images.EXTENSIONS))
        others = f"; what is there: {counted(members.left_out)}" if members.left_out else ""
        raise UsageError(f"{path} holds no image; images end in {kinds}{others}.")
    return members


def counted(left_out: Mapping[str, int]) -> str:
    """Files by ending or folder, the most first: ``4 .heic, 1 .txt``."""
    return ", ".join(f"{n} {kind}" for kind, n in sorted(left_out.items(), key=lambda item: (-item[1], item[0])))


def ending(name: str) -> str:
    """The ending by which a file that is no image is counted."""
    return PurePosixPath(name).suffix.lower() or "without ending"


def alone(path: Path) -> Members:
    """One image file."""
    status = regular(path)
    stamp = digest.of_value(["file", str(path.resolve()), identity(status)])
    return Members(str(path.parent), (path.name,), stamp, _reader({path.name: path}), changed=status.st_ctime_ns)


def folder(path: Path) -> Members:
    """The image files under a folder, in the order of their names; links are followed, hidden files left out."""
    found: dict[str, Path] = {}
    facts = []
    others: Counter[str] = Counter()
    for file in _walk(path, frozenset()):
        name = file.relative_to(path).as_posix()
        if not file.is_file():
            others["broken link" if file.is_symlink() and not file.exists() else "device or pipe"] += 1
        elif is_image(name) or name == NVIDIA_INDEX:
            facts.append((name, identity(file.stat())))
            found[name] = file
        else:
            others[ending(name)] += 1
    stamp = digest.of_value(["folder", str(path.resolve()), sorted(facts)])
    changed = max((state[-1] for _, state in facts), default=0)
    return replace(_indexed(str(path), found, stamp, _reader(found)), changed=changed, left_out=others)


def _reader(found: Mapping[str, Path]) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        try:
            with found[name].open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > LARGEST_FILE:
                    raise images.BadImage(f"{found[name]} is larger than {LARGEST_FILE} bytes, which no image file is.")
                return file.read(size)  # as many bytes as are asked for are allocated, whatever there is to read
        except OSError as error:
            raise images.BadImage(f"The image {found[name]} cannot be read ({error.strerror}).") from error

    return read


def _walk(path: Path, above: frozenset[str]) -> Iterator[Path]:
    """The files below a folder; a link that leads back to a folder above is not followed."""
    real = os.path.realpath(path)
    if real in above:
        return
    if len(above) > DEEPEST:
        raise UsageError(f"{path} lies more than {DEEPEST} folders deep; give a folder nearer to the images.")
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, above | {real})
        else:
            yield entry


def archive(path: Path) -> Members:
    """The image files of a zip file. It stays open, so that members are read in any order from any thread."""
    status = regular(path)
    try:
        opened = zipfile.ZipFile(path)
        infos = [info for info in opened.infolist() if not info.is_dir()]
    except safety.UNPACKING_ERRORS as error:
        raise UsageError(
            f"{path} is neither an image nor a readable zip file ({in_short(error)}); check its name, or make it again."
        ) from error
    for info in infos:
        safety.refuse_unsafe(path, info)
    found = {i.filename: i for i in infos if is_image(i.filename) or i.filename == NVIDIA_INDEX}
    if len(found) > safety.LARGEST_COUNT:
        raise UsageError(f"{path} holds {len(found)} images, more than the limit of {safety.LARGEST_COUNT}; split it.")
    twice = [name for name, n in Counter(info.filename for info in infos).items() if n > 1 and name in found]
    if twice:
        raise UsageError(f"{path} holds '{twice[0]}' twice; pack it again.")
    others = Counter(ending(i.filename) for i in infos if i.filename not in found and not _hidden(i.filename))
    facts = [(info.filename, info.file_size, info.CRC) for info in found.values()]
    stamp = digest.of_value(["zip", str(path.resolve()), identity(status), sorted(facts)])

    def read(name: str) -> bytes:
        try:
            return opened.read(found[name])
        except safety.UNPACKING_ERRORS as error:
            raise images.BadImage(f"The image {name} of {path} cannot be unpacked ({in_short(error)}).") from error

    return replace(_indexed(str(path), found, stamp, read), changed=status.st_ctime_ns, left_out=others)


def is_image(name: str) -> bool:
    """Whether a member counts as an image: by its ending, and not hidden."""
    return PurePosixPath(name).suffix.lower() in images.EXTENSIONS and not _hidden(name)


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


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
        pairs = safety.parsed(data)["labels"]
        return None if pairs is None else {str(name): safety.class_number(label) for name, label in pairs}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"The {NVIDIA_INDEX} of {origin} is not of the known form ({in_short(error)}); remove it."
        ) from error


def subset(members: Members, names: Iterable[str], part: str) -> Members:
    """Some of the members; ``part`` says which, for the stamp."""
    return replace(members, names=tuple(names), stamp=digest.of_value([members.stamp, part]))
