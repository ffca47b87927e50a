"""Files that several processes share: locks, atomic writes, free space, and what went wrong in one sentence."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import platformdirs
from filelock import FileLock, Timeout

from bench.errors import BenchError, UsageError

CACHE_VARIABLE = "BENCH_CACHE"
LOCK = ".lock"
"""How the names of lock files end."""
CLOCK_TICK, COARSE_TICK = 100_000_000, 2_000_000_000
"""Nanoseconds within which two changes of a file may carry one time; the second where times are whole seconds."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns an OSError within (a full disk, a read-only folder) into one sentence with a remedy."""
    try:
        yield
    except OSError as error:
        raise BenchError(
            f"{path} cannot be written ({error.strerror or error}); free space there or set BENCH_CACHE to another "
            "folder, then run the same command again."
        ) from error


def locked(path: Path) -> AbstractContextManager[object]:
    """The lock between processes for a folder or file, held while it is made; a context manager.

    What is there in a folder that cannot be written will not be made, and needs no lock. Raises
    :class:`bench.errors.BenchError` for what is not there in such a folder.
    """
    if path.exists() and not os.access(path.parent, os.W_OK):
        return nullcontext()
    with explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(13, "it is read-only", str(path.parent))
    return FileLock(path.with_name(path.name + LOCK))


def writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or where it is not there, whether it can be made."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return os.access(there, os.W_OK)


@contextmanager
def alone(path: Path, wait: Callable[[], object]) -> Iterator[None]:
    """The lock between processes for work on ``path``; ``wait`` is called once where another process has it.

    Its file is removed at the end, and a process that dies lets it go. Raises :class:`bench.errors.BenchError` where no
    file can be made there.
    """
    with explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(path.name + LOCK))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            wait()
            lock.acquire()
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def require_space(folder: Path, needed: int) -> None:
    """Raises :class:`bench.errors.BenchError` when the disk of ``folder`` has less than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BenchError(
            f"{folder} needs {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free; free space there or set "
            "BENCH_CACHE to another folder."
        )


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Calls ``write`` with a temporary name beside ``path``, syncs it and renames it.

    Only a regular file is ever replaced. Raises :class:`BenchError` with path and remedy when the disk is full or the
    folder cannot be written, and :class:`UsageError` for a path that is a device, a pipe or a folder.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a file but a device, a pipe or a folder; name a file that may be replaced.")
    temporary = unique(path, ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise BenchError(_remedy(path, error)) from error
    finally:
        if temporary.exists():
            temporary.unlink()


def unique(path: Path, suffix: str) -> Path:
    """A name beside ``path`` that no other process takes, on any host that shares the folder, nor this one twice."""
    host = quote(socket.gethostname(), safe="")[:HOST_LETTERS]
    return path.with_name(f"{path.name}.{host}-{os.getpid()}-{secrets.token_hex(4)}{suffix}")


def write_bytes(path: Path, data: bytes) -> None:
    """:func:`write_file` for what is in memory."""
    write_file(path, lambda temporary: temporary.write_bytes(data))


def _remedy(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: {path} was not written and nothing else was changed; free space and run again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return f"{path} cannot be written ({error.strerror}); choose another folder with --out or change its rights."
    return f"{path} was not written ({error}); run again."


def sync(path: Path) -> None:
    """Waits until the file's content is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def identity(status: os.stat_result) -> list[int]:
    """What tells a file from what lay under its name before: device, inode, size, times of content and of inode, in ns.

    ``cp -p`` and ``rsync -t`` restore the first of the times; nothing but the system's clock sets the second.
    """
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def settled(changed: int) -> bool:
    """Whether a file that changed at this time (ns) would show a further change: the clock has ticked since."""
    tick = CLOCK_TICK if changed % 1_000_000_000 else COARSE_TICK
    return time.time_ns() - changed > tick


def regular(path: Path) -> os.stat_result:
    """The state of a regular file; raises :class:`UsageError` for a device, a pipe or what cannot be reached."""
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); check the path and its permissions.") from error
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is no regular file; give a file on a disk, not a device, a pipe or a folder.")
    return status


def files_below(folder: Path) -> Iterator[Path]:
    """Every file in a folder and all below it, in no order.

    Raises :class:`UsageError` for a folder that cannot be read: what lies in it must not be passed over.
    """

    def refuse(error: OSError) -> None:
        raise UsageError(f"{error.filename} cannot be read ({error.strerror}); change its rights.") from error

    for parent, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(parent) / name for name in names)


def expanded(path: str | Path) -> Path:
    """The path with ``~`` replaced; raises :class:`UsageError` where nobody knows whose home that is."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{path}: the home folder behind ~ is not known here; write the whole path.") from error


HOST_LETTERS = 24
"""Letters of a host's name in a temporary one; what follows them is random in any case."""

LONGEST_NAME = 100
"""Bytes of a label in a folder's name; file systems take 255, and several labels make one name."""


def folder_name(label: str) -> str:
    """A label as a file name on every system; injective: ``:`` becomes ``+``, the rest is percent-encoded.

    The end of a long one is replaced by its digest.
    """
    return _shortened(quote(label, safe=":=,@.-_ ", errors="surrogateescape").replace(":", "+"))


def joined_name(parts: Iterable[str]) -> str:
    """Several labels as one name, injective; without commas, so that a path with it can stand in a method string."""
    return _shortened("+".join(quote(part, safe="=.-_", errors="surrogateescape") for part in parts))


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}~{_short_digest(name)}"


def plain_name(text: str) -> str:
    """A text as a file name and HTML id of letters, digits, ``-`` and ``_``; two texts never share one.

    Names of datasets and methods become readable ones (``folder:kodak`` is ``folder_kodak``); in others every
    character is replaced that is not allowed, and a digest of the text follows.
    """
    name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in text)
    first, _, rest = text.partition(":")
    readable = all(c.isascii() and (c.isalnum() or c in "-.") for c in first + rest) and "." not in first
    return name if readable and len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}-{_short_digest(text)}"


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def cache_root() -> Path:
    """``BENCH_CACHE``, or the platform's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    return expanded(named or platformdirs.user_cache_dir("image-tokenizer-bench"))


class Stream(Protocol):
    """What can be read."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end."""
        ...


def to_the_end(stream: Stream | None) -> None:
    """Reads what is left of an archive's stream: gzip has its checksum behind the last byte, where tarfile stops."""
    while stream is not None and stream.read(1 << 20):
        pass


def check_writable(folder: Path) -> None:
    """Raises :class:`UsageError` when files cannot be created in ``folder`` (which is made if need be)."""
    probe = unique(folder / ".probe", "")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"The folder {folder} cannot be written ({error.strerror}); choose another with --out or change its rights."
        ) from error
