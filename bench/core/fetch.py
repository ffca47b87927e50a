"""Files from the network: downloaded once, resumed after an interruption, verified, renamed into place. No torch."""

from __future__ import annotations

import http.client
import os
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from bench.core.digest import CHUNK, of_file
from bench.core.files import cache_root
from bench.core.progress import Progress, silent
from bench.errors import BenchError, IntegrityError, Missing


@dataclass(frozen=True)
class File:
    """One published file.

    ``pin`` is ``sha256:HEX``, ``sha256-prefix:HEX``, ``md5:HEX`` or ``none``; ``pin_source`` says where the digest
    was published. Without a pin, the first download records the digest beside the file and signatures say unpinned.
    """

    name: str
    url: str | None
    pin: str
    pin_source: str


WEIGHTS_VARIABLE = "BENCH_WEIGHTS"

TIMEOUT = 60.0
"""Seconds without a byte before a download is given up."""


def weights_folder() -> Path:
    """Where fetched files are kept."""
    return cache_root() / "weights"


def obtain(file: File, folder: Path | None = None, progress: Progress = silent) -> Path:
    """The verified file in ``folder`` (default: the cache), downloaded unless it is there.

    Raises :class:`IntegrityError` for a wrong digest, :class:`BenchError` when the network fails; what has arrived
    by then is kept and continued by the next call.
    """
    folder = weights_folder() if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file.name
    with FileLock(folder / f".{file.name}.lock"):
        if not path.is_file():
            _bring(file, path, progress)
        verify(path, file)
    return path


def _bring(file: File, path: Path, progress: Progress) -> None:
    part = path.with_name(f"{path.name}.part")
    here = next((f / file.name for f in folders() if (f / file.name).is_file()), None)
    if here is not None:
        shutil.copyfile(here, part)
    elif file.url is None:
        raise Missing(f"{file.name} has no public address; put it into a folder named in {WEIGHTS_VARIABLE}.")
    else:
        _download(file, part, progress)
    if file.pin == "none":
        path.with_name(f"{path.name}.sha256").write_text(f"{of_file(part)}\n")
    _version(part).unlink(missing_ok=True)
    try:
        verify(part, file)
    except IntegrityError as error:
        part.unlink()
        raise IntegrityError(f"{file.url or here} is not the pinned {file.name} and was not kept: {error}") from error
    os.replace(part, path)


def _download(file: File, part: Path, progress: Progress) -> None:
    """Appends what is missing to ``part``, or starts over where the server has another version by now.

    The server's validator of the version that was begun is kept beside ``part``; a file without a pin is continued
    only with one, because no digest would tell that two versions were joined.
    """
    url, version = str(file.url), _version(part)
    have = part.stat().st_size if part.exists() and (version.exists() or file.pin != "none") else 0
    request = urllib.request.Request(url, headers={"User-Agent": "image-tokenizer-bench"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if version.exists():
            request.add_header("If-Range", version.read_text())
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            continued = answer.status == 206
            if not continued:
                part.unlink(missing_ok=True)
                _note_version(answer, version)
            _receive(answer, part, have if continued else 0, progress)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise BenchError(f"{url} cannot be downloaded (HTTP {error.code} {error.reason}).") from error
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(
            f"{url} cannot be downloaded ({error}); run the same command again to resume, or on a machine with "
            f"network run it with --bundle DIR and set {WEIGHTS_VARIABLE}=DIR here."
        ) from error


def _version(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _note_version(answer: Any, version: Path) -> None:
    """Keeps the strong ETag or the date of an answer (RFC 9110, section 13.1.5)."""
    tag = answer.headers.get("ETag") or ""
    validator = tag if tag.startswith('"') else answer.headers.get("Last-Modified")
    if validator:
        version.write_text(validator)
    else:
        version.unlink(missing_ok=True)


def _receive(answer: Any, part: Path, have: int, progress: Progress) -> None:
    length = int(answer.headers.get("Content-Length") or 0)
    with part.open("ab" if have else "wb") as file, progress(f"fetch {part.stem}", have + length) as advance:
        advance(have)
        received = 0
        while piece := answer.read(CHUNK):
            file.write(piece)
            received += len(piece)
            advance(len(piece))
    if length and received != length:
        raise OSError(f"{received} of {length} bytes arrived")


def folders() -> list[Path]:
    """Where weights are looked for, in order: the folders of ``BENCH_WEIGHTS``, then the cache's."""
    named = [Path(folder).expanduser() for folder in os.environ.get(WEIGHTS_VARIABLE, "").split(os.pathsep) if folder]
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
