"""Compressed tar files of images: unpacked once into the cache, since their members can be read in order only."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

from bench.core import digest
from bench.core.files import explained, identity, locked, regular, require_space, to_the_end
from bench.core.visible import in_short
from bench.data.readers.files import is_image
from bench.data.readers.safety import LARGEST_COUNT, LARGEST_MEMBER, UNPACKING_ERRORS, refuse_name
from bench.errors import UsageError

LARGEST_RATIO = 20
"""How many times its packed size all of an archive may be: images are compressed already."""


def unpacked(path: Path, cache: Path) -> Path:
    """The folder of the images in a ``.tar.gz`` or ``.tgz``, unpacked into the cache where it is not there yet.

    Raises :class:`UsageError` for a damaged archive, a link, an unsafe name, and for what unpacks like a bomb. Other
    files than images are left in the archive.
    """
    target = cache / "unpacked" / digest.of_value([str(path.resolve()), identity(regular(path))])[:32]
    with locked(target):
        if target.is_dir():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with tarfile.open(path, "r:*") as archive:
                _unpack(archive, path, partial)
        except (tarfile.TarError, *UNPACKING_ERRORS) as error:
            raise UsageError(f"{path} cannot be unpacked ({in_short(error)}); download it again.") from error
        with explained(target):
            partial.rename(target)
    return target


def _unpack(archive: tarfile.TarFile, path: Path, target: Path) -> None:
    for member in _images(archive, path):
        place = target / member.name
        packed = archive.extractfile(member)
        assert packed is not None  # a regular file
        with explained(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            require_space(target, member.size)
            with place.open("wb") as file:
                shutil.copyfileobj(packed, file, 1 << 20)
    to_the_end(archive.fileobj)


def _images(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """The members that are image files, looked at before any is unpacked."""
    limit, total, count = LARGEST_RATIO * path.stat().st_size, 0, 0
    for member in archive:
        refuse_name(path, member.name)
        if member.issym() or member.islnk():
            raise UsageError(f"{path} holds a link ('{member.name}'); pack the files themselves.")
        total, count = total + max(member.size, 0), count + 1
        if member.size > LARGEST_MEMBER or total > limit or count > LARGEST_COUNT:
            raise UsageError(f"{path} is refused: '{member.name}' and what is before it unpack to {total} bytes.")
        if member.isreg() and is_image(member.name):
            yield member
