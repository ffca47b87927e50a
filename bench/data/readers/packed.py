"""Compressed tar files: their images, repacked once into a zip file, from which they can be read in any order."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bench.core import digest
from bench.core.files import explained, identity, locked, regular, sync, to_the_end
from bench.core.visible import in_short
from bench.data.readers import safety
from bench.data.readers.files import is_image
from bench.errors import UsageError

ENDINGS = (".tgz", ".tar.gz", ".tar")


def is_tar(path: Path) -> bool:
    """Whether a file is a tar file by its ending."""
    return path.is_file() and path.name.lower().endswith(ENDINGS)


def as_zip(path: Path, cache: Path) -> Path:
    """A zip file in the cache of the images of a tar file, compressed or not, made where it is not there yet.

    Raises :class:`UsageError` for a damaged archive, for a link or an unsafe name among its images, and for one that
    unpacks to far more than images do.
    """
    target = cache / "unpacked" / f"{digest.of_value(['tar', str(path.resolve()), identity(regular(path))])[:32]}.zip"
    with locked(target):
        if not target.is_file():
            partial = target.with_name(f"{target.name}.partial")
            with explained(partial):
                with zipfile.ZipFile(partial, "w") as out:
                    for name, data in _images(path):
                        out.writestr(zipfile.ZipInfo(name), data)
                    if not out.namelist():
                        raise UsageError(f"{path} holds no image; download it again.")
                sync(partial)
                partial.rename(target)
    return target


def _images(path: Path) -> Iterator[tuple[str, bytes]]:
    """The names and bytes of the image files of a tar file, in their order."""
    most = safety.LARGEST_RATIO * path.stat().st_size
    try:
        with tarfile.open(path) as tape:
            for member in tape:
                safety.refuse_name(path, member.name)
                if not is_image(member.name):
                    continue
                _refuse(path, member)
                most -= member.size
                if most < 0:
                    raise UsageError(f"{path} is refused: it unpacks to far more than images do, as a bomb does.")
                file = tape.extractfile(member)
                yield member.name, file.read() if file is not None else b""
            to_the_end(tape.fileobj)
    except (tarfile.TarError, *safety.UNPACKING_ERRORS) as error:
        raise UsageError(f"{path} is not a readable archive ({in_short(error)}); download it again.") from error


def _refuse(path: Path, member: tarfile.TarInfo) -> None:
    if not member.isreg():
        raise UsageError(f"{path} holds '{member.name}', which is no plain file; pack the files themselves.")
    if not 0 <= member.size <= safety.LARGEST_MEMBER:
        raise UsageError(f"{path} is refused: '{member.name}' is {member.size} bytes, more than an image file can be.")
