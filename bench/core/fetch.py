"""Files from the network: downloaded once, verified, renamed into place. No torch."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from bench.core import downloads, formats
from bench.core.digest import of_file
from bench.core.downloads import LIMITS, Limits
from bench.core.files import cache_root, expanded, locked
from bench.core.progress import Progress, silent
from bench.errors import IntegrityError, Missing


@dataclass(frozen=True)
class File:
    """One published file.

    ``pin`` is ``sha256:HEX``, ``sha256-prefix:HEX``, ``md5:HEX`` or ``none``; ``pin_source`` says where the digest
    was published. Without a pin, the first download records the digest beside the file and signatures say unpinned; it
    has to have ``least`` bytes and the format that its name says.
    """

    name: str
    url: str | None
    pin: str
    pin_source: str
    least: int = 1


WEIGHTS_VARIABLE = "BENCH_WEIGHTS"


def weights_folder() -> Path:
    """Where fetched files are kept."""
    return cache_root() / "weights"


def obtain(file: File, folder: Path | None = None, progress: Progress = silent, limits: Limits = LIMITS) -> Path:
    """The verified file in ``folder`` (default: the cache), downloaded unless it is there.

    Raises :class:`IntegrityError` for a wrong digest or, without a pin, for what is no such file, of which nothing is
    kept; :class:`BenchError` when the network fails: what has arrived by then is kept and continued by the next call.
    """
    folder = weights_folder() if folder is None else folder
    path = folder / file.name
    with locked(path):
        if not path.is_file():
            _bring(file, path, progress, limits)
        verify(path, file)
    return path


def _bring(file: File, path: Path, progress: Progress, limits: Limits) -> None:
    part = path.with_name(f"{path.name}.part")
    here = next((f / file.name for f in folders() if (f / file.name).is_file()), None)
    try:
        if here is not None:
            shutil.copyfile(here, part)
        elif file.url is None:
            raise Missing(f"{file.name} has no public address; put it into a folder named in {WEIGHTS_VARIABLE}.")
        else:
            pinned = file.pin != "none"
            downloads.download(file.url, part, pinned, replace(limits, plain=limits.plain or pinned), progress)
        _check(part, file, str(file.url or here))
    except IntegrityError:
        part.unlink(missing_ok=True)
        downloads.version_of(part).unlink(missing_ok=True)
        raise
    downloads.version_of(part).unlink(missing_ok=True)
    if file.pin == "none":
        path.with_name(f"{path.name}.sha256").write_text(f"{of_file(part)}\n")
    os.replace(part, path)


def _check(part: Path, file: File, origin: str) -> None:
    """Raises :class:`IntegrityError` for a wrong digest, or without a pin for what cannot be such a file."""
    if file.pin != "none":
        try:
            verify(part, file)
        except IntegrityError as error:
            raise IntegrityError(f"{origin} is not the pinned {file.name} and was not kept: {error}") from error
        return
    size = part.stat().st_size
    if size < file.least:
        raise IntegrityError(f"{origin} has {size:,} bytes, {file.name} at least {file.least:,}; it was not kept.")
    said = formats.misfit(part, file.name)
    if said is not None:
        raise IntegrityError(f"{origin} is no {Path(file.name).suffix} file ({said}); it was not kept.")


def folders() -> list[Path]:
    """Where weights are looked for, in order: the folders of ``BENCH_WEIGHTS``, then the cache's."""
    named = [expanded(folder) for folder in os.environ.get(WEIGHTS_VARIABLE, "").split(os.pathsep) if folder]
    return [*named, cache_root() / "weights"]


def verify(path: Path, file: File) -> None:
    """Raises :class:`IntegrityError` when the file's digest is not the pinned, or first recorded, one."""
    algorithm, _, wanted = file.pin.partition(":")
    if algorithm == "none":
        note = path.with_name(f"{path.name}.sha256")
        wanted = note.read_text().strip() if note.is_file() else ""
    found = of_file(path, "md5" if algorithm == "md5" else "sha256")
    if not found.startswith(wanted):
        raise IntegrityError(
            f"{path} is not the pinned file: {algorithm} {found} where {wanted} is expected; "
            "delete it and fetch it again."
        )
