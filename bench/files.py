"""Files that several processes share: locks, atomic writes, free space, and what went wrong in one sentence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from bench.contract import BenchError


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


def locked(path: Path) -> FileLock:
    """The lock between processes for a folder or file, held while it is made; a context manager.

    Raises :class:`bench.contract.BenchError` where the folder that holds it cannot be written.
    """
    with explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(13, "it is read-only", str(path.parent))
    return FileLock(path.with_name(path.name + ".lock"))


def require_space(folder: Path, needed: int) -> None:
    """Raises :class:`bench.contract.BenchError` when the disk of ``folder`` has less than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BenchError(
            f"{folder} needs {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free; free space there or set "
            "BENCH_CACHE to another folder."
        )


def write_atomically(path: Path, data: bytes) -> None:
    """Writes beside the file and renames, so that a reader sees the old file or the new one, never a part."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    sync(temporary)
    os.replace(temporary, path)


def sync(path: Path) -> None:
    """Waits until the file's content is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
