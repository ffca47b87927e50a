"""What one run has read of weight files: each is hashed and read once, however many stages ask for it. No torch."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from bench.core import digest
from bench.core.files import identity

Stamp = tuple[tuple[str, tuple[int, ...]], ...]


class Readings:
    """What was found in files, by path; made by a command for its run, and gone with it.

    A file that changes meanwhile (its inode, size or a time of change) is read anew. What was read stays until the
    run is over, so a reader of weights gives tensors that are mapped from the file, not copies.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[Hashable, Stamp], Any] = {}

    def once(self, path: Path, what: Hashable, read: Callable[[Path], Any]) -> Any:
        """``read(path)``, called once for each ``what`` and state of the file or folder."""
        key = (what, _stamp(path))
        if key not in self._found:
            self._found[key] = read(path)
        return self._found[key]

    def digest(self, path: Path) -> str:
        """Of a file's content; of a folder's files with their names."""
        found: str = self.once(path, "digest", _digest)
        return found

    def content(self, path: Path, read: Callable[[Path], Any]) -> Any:
        """What the reader of a method finds in a file or folder."""
        return self.once(path, read, read)


def _files(path: Path) -> list[Path]:
    """The file itself; of a folder all files below it, sorted."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def _stamp(path: Path) -> Stamp:
    """The path, and the identity of every file there."""
    return ((str(path), ()), *((str(file), tuple(identity(file.stat()))) for file in _files(path)))


def _digest(path: Path) -> str:
    if path.is_file():
        return digest.of_file(path)
    return digest.of_value([[str(file.relative_to(path)), digest.of_file(file)] for file in _files(path)])
