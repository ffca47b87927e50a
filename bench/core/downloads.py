"""One file over HTTP: only what was asked for, within limits of time and size, resumed after an interruption. No torch.

Encrypted connections stay encrypted over redirects. What is received is not trusted: see :mod:`bench.core.fetch`.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.core.digest import CHUNK
from bench.core.progress import Progress
from bench.errors import BenchError, IntegrityError, UsageError

TIMEOUT = 60.0
"""Seconds without a byte before a download is given up."""


@dataclass(frozen=True)
class Limits:
    """``size`` in bytes and ``seconds`` of one download, ``plain`` whether unencrypted addresses are taken."""

    size: int = 1 << 37
    seconds: float = 24 * 3600.0
    plain: bool = False


LIMITS = Limits()
"""For everything that is fetched without other words."""

TEXTS = ("text/", "application/json", "application/xhtml", "application/xml")
"""Types of pages and error messages; no file of weights or images is sent as one."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and from http to http; to nothing else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """The request of the new address; raises :class:`BenchError` for one that is less safe."""
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after != "https" and (before, after) != ("http", "http"):
            raise BenchError(f"{req.full_url} leads to {newurl[:200]!r}, which is not https; nothing was downloaded.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_address(url: str, limits: Limits) -> None:
    """Raises :class:`UsageError` for anything but https, and http where it was asked for."""
    scheme = urlsplit(url).scheme
    if scheme not in ("https", "http"):
        raise UsageError(f"{url} is no address of the web; name one that begins with https://.")
    if scheme == "http" and not limits.plain:
        raise UsageError(
            f"{url} is not encrypted, and no digest tells whether its content is the right one; use https, or allow it "
            "with --allow-http."
        )


def download(url: str, part: Path, resumable: bool, limits: Limits, progress: Progress) -> None:
    """Appends what is missing to ``part``, or starts over where the server has another version by now.

    The server's validator of the version that was begun is kept beside ``part``; a file that is not ``resumable`` (no
    digest would tell that two versions were joined) is continued only with one. Raises :class:`BenchError` when the
    network fails, and what has arrived by then is kept; :class:`IntegrityError` for an answer that is not the file.
    """
    check_address(url, limits)
    version = version_of(part)
    have = part.stat().st_size if part.exists() and (version.exists() or resumable) else 0
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "image-tokenizer-bench"})
        if have:
            request.add_header("Range", f"bytes={have}-")
            if version.exists():
                request.add_header("If-Range", version.read_text())
        with urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT) as answer:
            continued = _continues(answer, url, have)
            if not continued:
                part.unlink(missing_ok=True)
                _note_version(answer, version)
            _receive(answer, url, part, have if continued else 0, limits, progress)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            reason = "".join(c for c in str(error.reason) if c.isprintable())[:100]
            raise BenchError(f"{url} cannot be downloaded (HTTP {error.code} {reason}).") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        said = "".join(c for c in str(error) if c.isprintable())[:200]
        raise BenchError(
            f"{url} cannot be downloaded ({said}); run the same command again to resume, or on a machine with "
            "network run it with --bundle DIR and set BENCH_WEIGHTS=DIR here."
        ) from error


def version_of(part: Path) -> Path:
    """Where the server's validator of a begun file is kept."""
    return part.with_name(f"{part.name}.version")


def _continues(answer: Any, url: str, have: int) -> bool:
    """Whether the answer is the rest of the file. Raises :class:`IntegrityError` where it is not the file at all."""
    kind = str(answer.headers.get("Content-Type") or "").strip().lower()
    if answer.status not in (200, 206) or (answer.status == 206 and not have):
        raise IntegrityError(f"{url} answered with status {answer.status} instead of the file; nothing was kept.")
    if kind.startswith(TEXTS):
        said = "".join(c for c in kind if c.isprintable())[:60]
        raise IntegrityError(f"{url} answered with a page ({said}) instead of the file; nothing was kept.")
    if answer.status == 206 and not str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-"):
        raise IntegrityError(f"{url} answered with another part than was asked for; run the same command again.")
    return bool(answer.status == 206)


def _note_version(answer: Any, version: Path) -> None:
    """Keeps the strong ETag or the date of an answer (RFC 9110, section 13.1.5)."""
    tag = answer.headers.get("ETag") or ""
    validator = tag if tag.startswith('"') else answer.headers.get("Last-Modified")
    if validator:
        version.write_text(validator)
    else:
        version.unlink(missing_ok=True)


def _length(answer: Any, url: str) -> int:
    """Bytes that are announced, 0 where none are."""
    text = str(answer.headers.get("Content-Length") or "0").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise IntegrityError(f"{url} announces a length that is no number ({text[:40]!r}); nothing was kept.")
    return int(text)


def _receive(answer: Any, url: str, part: Path, have: int, limits: Limits, progress: Progress) -> None:
    length, begun, received = _length(answer, url), time.monotonic(), 0
    _check_limits(url, have + length, 0.0, limits)
    with part.open("ab" if have else "wb") as file, progress(f"fetch {part.stem}", have + length) as advance:
        advance(have)
        while piece := answer.read1(CHUNK):
            file.write(piece)
            received += len(piece)
            advance(len(piece))
            _check_limits(url, have + received, time.monotonic() - begun, limits)
    if length and received != length:
        raise OSError(f"{received} of {length} bytes arrived")


def _check_limits(url: str, size: int, seconds: float, limits: Limits) -> None:
    if size > limits.size:
        raise IntegrityError(f"{url} is larger than {limits.size:,} bytes, the limit of a download; nothing was kept.")
    if seconds > limits.seconds:
        raise IntegrityError(f"{url} took longer than {limits.seconds:g} s, the limit of a download; nothing was kept.")
