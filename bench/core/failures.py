"""Whatever the code of a method raises, in one sentence: what it was, and where in whose code."""

from __future__ import annotations

import errno
import os
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bench
from bench.errors import AdapterError, BenchError, UsageError


@contextmanager
def contained() -> Iterator[None]:
    """Turns what is no :class:`bench.errors.BenchError` into an :class:`AdapterError` that says what and where.

    ``SystemExit`` too, for a method does not end the program; an interrupt by the user passes.
    """
    try:
        yield
    except (BenchError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        said = refused(error) if _foreign(error) is None else None
        raise (AdapterError(told(error)) if said is None else UsageError(said)) from error


def refused(error: BaseException) -> str | None:
    """What the system says of a file that a user named: no right to it, too long a name, no space; else None."""
    if not isinstance(error, OSError) or error.filename is None or error.errno not in _REFUSALS:
        return None
    return f"{os.fsdecode(error.filename)}: {error.strerror}; {_REFUSALS[error.errno]}."


_RIGHTS, _NAME, _SPACE = (
    "change its rights or name another place",
    "name another place",
    "free space there and run again",
)
_REFUSALS = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _RIGHTS),
    **dict.fromkeys((errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR), _NAME),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _SPACE),
}


VOCAB = "Indices.__init__() got an unexpected keyword argument 'vocab'"
LEVELS = (
    "it is written for version 0.1: codes now name the levels of a cell's symbols along a last axis, "
    "Indices(t[..., None], levels=(8,)) in the place of Indices(t, vocab=8)"
)
"""What changed for index codes that were written for 0.1."""


def told(error: BaseException) -> str:
    """The message of our own errors; of any other its type, text, and the file and line that it comes from."""
    if isinstance(error, BenchError):
        return str(error)
    said = " ".join(str(error).split()) or "no message"
    if isinstance(error, SystemExit):
        said = f"it asked the whole program to end, with code {error.code}"
    if isinstance(error, TypeError) and said == VOCAB:
        said = f"{said}; {LEVELS}"
    return f"{type(error).__name__}: {said} ({_place(error)}); --debug shows all of it."


def _place(error: BaseException) -> str:
    """The innermost line of code that is neither ours nor a library's (a plug-in's), else of ours, else of any."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    if not frames:
        return "its place is not known"
    own = [f for f in frames if _within(f.filename, _homes()[0])]
    frame = _foreign(error) or (own or list(frames))[-1]
    return f"{frame.filename}:{frame.lineno}, in {frame.name}"


def _foreign(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost line of code that is neither ours nor a library's."""
    program, libraries = _homes()
    frames = traceback.extract_tb(error.__traceback__)
    found = [f for f in frames if not _within(f.filename, program) and not _within(f.filename, libraries)]
    return found[-1] if found else None


def _homes() -> tuple[list[Path], list[Path]]:
    """Where the program's packages and the libraries lie."""
    home = Path(str(bench.__file__)).parent
    paths = sysconfig.get_paths()
    return [home, home.with_name("methods")], [Path(paths[name]) for name in ("stdlib", "purelib", "platlib")]


def _within(file: str, places: list[Path]) -> bool:
    return file.startswith("<") or any(Path(file).is_relative_to(place) for place in places)
