"""Files from the network: downloaded once, resumed after an interruption, verified, renamed into place. No torch."""

from __future__ import annotations

import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from bench import networks
from bench.contract import BenchError, IntegrityError, Missing
from bench.digest import CHUNK, of_file
from bench.pins import File
from bench.progress import Progress, silent
from bench.store import cache_root

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
        networks.verify(path, file)
    return path


def _bring(file: File, path: Path, progress: Progress) -> None:
    part = path.with_name(f"{path.name}.part")
    here = next((f / file.name for f in networks.folders() if (f / file.name).is_file()), None)
    if here is not None:
        shutil.copyfile(here, part)
    elif file.url is None:
        raise Missing(f"{file.name} has no public address; put it into a folder named in {networks.WEIGHTS_VARIABLE}.")
    else:
        _download(file, part, progress)
    if file.pin == "none":
        path.with_name(f"{path.name}.sha256").write_text(f"{of_file(part)}\n")
    _version(part).unlink(missing_ok=True)
    try:
        networks.verify(part, file)
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
            f"network run it with --bundle DIR and set {networks.WEIGHTS_VARIABLE}=DIR here."
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


# --------------------------------------------------------------------------------------------------------------
# Published checkpoints: the tables [checkpoints.NAME] of a method's source.toml


def checkpoint_pin(checkpoint: Mapping[str, str]) -> File:
    """A checkpoint's ``url``, ``pin`` and ``pin_source``; ``file`` names it where the address does not."""
    url = checkpoint.get("url")
    name = checkpoint.get("file") or Path(unquote(urlsplit(url or "").path)).name
    return File(name, url, checkpoint.get("pin", "none"), checkpoint.get("pin_source", ""))


def checkpoint_file(
    label: str,
    checkpoint: Mapping[str, str],
    cache: Path,
    verify: Callable[[Path, File], object] = networks.verify,
) -> Path:
    """The verified file of a published checkpoint; :class:`Missing` with the command where it is absent."""
    file = checkpoint_pin(checkpoint)
    for folder in (*networks.folders(), cache / "weights"):
        path = folder / file.name
        if path.is_file():
            verify(path, file)
            return path
    raise Missing(f"The checkpoint {label} ({file.name}) is not here; run: python -m bench fetch {label}")
