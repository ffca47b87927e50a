"""LSUN's LMDB databases: keys and encoded images as published, read from any thread."""

from __future__ import annotations

import multiprocessing
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bench.core import digest
from bench.core.files import explained, identity, locked, regular, require_space, sync
from bench.core.images import BadImage
from bench.core.visible import in_short
from bench.data.readers.files import Members
from bench.data.readers.safety import LARGEST_COUNT, LARGEST_MEMBER, UNPACKING_ERRORS, refuse_name
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
    except UNPACKING_ERRORS as error:
        raise UsageError(f"{path} is not a readable zip file ({in_short(error)}); download it again.") from error


@contextmanager
def opened(path: Path) -> Iterator[Members]:
    """The records of the LMDB in a folder as members; their names are the keys. Closed at the end.

    A process of its own reads it: LMDB maps the file and believes its pages, so that a damaged one can end the process
    that reads it. Raises :class:`UsageError` for a file that is no LMDB, is truncated or is damaged.
    """
    _library()
    status = regular(path / DATA)
    stamp = digest.of_value(["lmdb", str(path.resolve()), identity(status)])
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(str(path), theirs), daemon=True)
    process.start()
    theirs.close()
    ask = _asking(path, ours)
    try:
        names = ask(None)
        if not isinstance(names, tuple):
            raise UsageError(f"{path} is not a readable LMDB ({names}); download or unpack it again.")
        yield Members(str(path), names, stamp, _reader(path, ask), changed=status.st_ctime_ns)
    finally:
        ours.close()
        process.terminate()
        process.join()


def _asking(path: Path, connection: Connection) -> Callable[[bytes | None], Any]:
    """Sends a key and gives what the other process answers, from any thread."""
    lock = threading.Lock()

    def ask(key: bytes | None) -> Any:
        try:
            with lock:
                connection.send(key)
                return connection.recv()
        except (EOFError, OSError) as error:
            raise UsageError(
                f"{path} is not a readable LMDB (the process that read it was ended by its damage); download or "
                "unpack it again."
            ) from error

    return ask


def _reader(path: Path, ask: Callable[[bytes | None], Any]) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        value = ask(name.encode("latin-1"))
        if not isinstance(value, bytes):
            raise BadImage(f"The record '{name}' of {path} cannot be read ({value}); download or unpack it again.")
        return value

    return read


# --------------------------------------------------------------------------------------------------------------
# In the process that reads


def _serve(path: str, connection: Connection) -> None:
    """Answers None with all names, and a key with its value; a sentence stands for what cannot be had."""
    lmdb = _library()
    try:
        with lmdb.open(path, readonly=True, lock=False, readahead=False, create=False) as environment:
            _check_length(environment, Path(path))
            while True:
                key = connection.recv()
                connection.send(_names(environment) if key is None else _value(environment, key))
    except EOFError:
        return
    except (lmdb.Error, UsageError) as error:
        connection.send(str(error))


def _names(environment: lmdb.Environment) -> tuple[str, ...]:
    """The keys, in their order; no more than the database says it has, since damaged pages may lead in a circle."""
    entries = environment.stat()["entries"]
    if entries > LARGEST_COUNT:
        raise UsageError(f"it declares {entries} records, more than the limit of {LARGEST_COUNT}")
    with environment.begin() as view, view.cursor() as cursor:
        names = tuple(key.decode("latin-1") for key in islice(cursor.iternext(values=False), entries + 1))
    if len(names) != entries or len(set(names)) != entries:
        raise UsageError(f"it declares {entries} records and holds {len(names)}")
    return names


def _value(environment: lmdb.Environment, key: bytes) -> bytes | str:
    with environment.begin() as view:
        value = view.get(key)
    if value is None:
        return "there is none"
    return bytes(value) if len(value) <= LARGEST_MEMBER else f"it has {len(value)} bytes"


def _check_length(environment: lmdb.Environment, path: Path) -> None:
    """A database that is shorter than its own page count would end the process with a bus error when it is read."""
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = (path / DATA).stat().st_size
    if size < needed:
        raise UsageError(f"{DATA} is truncated: {size} of {needed} bytes")


# --------------------------------------------------------------------------------------------------------------


def unpacked(path: Path, cache: Path) -> Path:
    """The folder of the LMDB inside a zip file, unpacked into the cache where it is not there yet."""
    target = cache / "unpacked" / digest.of_value([str(path.resolve()), identity(regular(path))])[:32]
    with locked(target):
        if not is_database(target):
            try:
                with zipfile.ZipFile(path) as archive:
                    _unpack(archive, path, target)
            except UNPACKING_ERRORS as error:
                raise UsageError(f"{path} cannot be unpacked ({in_short(error)}); download it again.") from error
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
