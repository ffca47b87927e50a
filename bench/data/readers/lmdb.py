"""LSUN's LMDB databases: keys and encoded images as published, read from any thread."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from bench.core import digest
from bench.core.files import explained, locked, require_space, sync
from bench.core.images import BadImage
from bench.data.readers.files import Members, refuse_name
from bench.errors import Missing, UsageError

if TYPE_CHECKING:
    import lmdb

DATA = "data.mdb"


def is_database(path: Path) -> bool:
    """Whether the path is a folder that holds an LMDB."""
    return (path / DATA).is_file()


def is_packed(path: Path) -> bool:
    """Whether the path is a zip file that holds an LMDB, as LSUN is downloaded."""
    if path.suffix.lower() != ".zip" or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.rpartition("/")[2] == DATA for name in archive.namelist())
    except (zipfile.BadZipFile, OSError) as error:
        raise UsageError(f"{path} is not a readable zip file ({error}); download it again.") from error


@contextmanager
def opened(path: Path) -> Iterator[Members]:
    """The records of the LMDB in a folder as members; their names are the keys. Closed at the end.

    Raises :class:`UsageError` for a file that is no LMDB, is truncated or is damaged.
    """
    lmdb = _library()
    try:
        with lmdb.open(str(path), readonly=True, lock=False, readahead=False, create=False) as environment:
            _check_length(environment, path)
            with environment.begin() as view, view.cursor() as cursor:
                names = tuple(key.decode("latin-1") for key in cursor.iternext(values=False))
            status = (path / DATA).stat()
            stamp = digest.of_value(["lmdb", str(path.resolve()), status.st_size, status.st_mtime_ns])
            yield Members(str(path), names, stamp, _reader(environment, path))
    except lmdb.Error as error:
        raise UsageError(f"{path} is not a readable LMDB ({error}); download or unpack it again.") from error


def _reader(environment: lmdb.Environment, path: Path) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        with environment.begin() as view:
            value = view.get(name.encode("latin-1"))
        if value is None:
            raise BadImage(f"The LMDB {path} has no record '{name}'; download or unpack it again.")
        return bytes(value)

    return read


def _check_length(environment: lmdb.Environment, path: Path) -> None:
    """A database that is shorter than its own page count would end the process with a bus error when it is read."""
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = (path / DATA).stat().st_size
    if size < needed:
        raise UsageError(f"{path / DATA} is truncated: {size} of {needed} bytes; download or unpack it again.")


def unpacked(path: Path, cache: Path) -> Path:
    """The folder of the LMDB inside a zip file, unpacked into the cache where it is not there yet."""
    status = path.stat()
    target = cache / "unpacked" / digest.of_value([str(path.resolve()), status.st_size, status.st_mtime_ns])[:32]
    with locked(target):
        if not is_database(target):
            try:
                with zipfile.ZipFile(path) as archive:
                    _unpack(archive, path, target)
            except (zipfile.BadZipFile, EOFError) as error:
                raise UsageError(f"{path} cannot be unpacked ({error}); download it again.") from error
    return target


def _unpack(archive: zipfile.ZipFile, path: Path, target: Path) -> None:
    info = next((info for info in archive.infolist() if info.filename.rpartition("/")[2] == DATA), None)
    if info is None:
        raise UsageError(f"{path} holds no {DATA}; it is not an LSUN database as downloaded.")
    refuse_name(path, info.filename)
    require_space(target.parent, info.file_size)
    partial = target.with_name(target.name + ".partial")
    with explained(partial):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        with archive.open(info) as packed, (partial / DATA).open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
        sync(partial / DATA)
        partial.rename(target)


def _library() -> ModuleType:
    try:
        import lmdb
    except ImportError as error:
        raise Missing("LSUN needs the package lmdb; run: pip install 'image-tokenizer-bench[lsun]'.") from error
    return lmdb
