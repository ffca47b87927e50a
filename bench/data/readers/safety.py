"""What archives and arrays are refused for before anything of them is unpacked, and what their readers raise."""

from __future__ import annotations

import json
import lzma
import math
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from bench.core import images
from bench.errors import UsageError

LARGEST_MEMBER = 1 << 28
"""Bytes (256 MiB) that one image, or one list of labels, of an archive may unpack to."""

LARGEST_RATIO = 1000
"""How many times its packed size a member of an archive may be; image files hardly compress."""

LARGEST_COUNT = 1 << 25
"""Images (33 million) of one source: ten times the largest dataset here."""

LARGEST_LABEL = (1 << 63) - 1

UNPACKING_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    RuntimeError,  # encrypted; NotImplementedError, an unknown compression, is one too
    ValueError,
    OverflowError,
    MemoryError,
    struct.error,
    SyntaxError,  # an array's header, which is a Python literal
    tokenize.TokenError,
    TypeError,
    KeyError,
    IndexError,
)
"""What zipfile and NumPy raise for damaged files; all of it means that the file cannot be used."""


def refuse_unsafe(path: Path, info: zipfile.ZipInfo) -> None:
    """Raises :class:`UsageError` for a member that is unsafe to unpack: its name, a link, encrypted, a bomb."""
    refuse_name(path, info.filename)
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UsageError(f"{path} holds a link ('{info.filename}'); pack the files themselves.")
    if info.flag_bits & 1:
        raise UsageError(f"{path} is encrypted ('{info.filename}'); pack it without a password.")
    refuse_bomb(path, info.filename, info.file_size, info.compress_size)


def refuse_name(path: Path, name: str) -> None:
    """Raises :class:`UsageError` for a member whose name leads out of the archive's folder."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0] or "\x00" in name:
        raise UsageError(f"{path} holds a member with the unsafe name '{name}'; pack it with plain relative names.")


def refuse_bomb(path: Path, name: str, size: int, packed: int) -> None:
    """Raises :class:`UsageError` for a member that unpacks to far more than an image or a list of labels can be."""
    if PurePosixPath(name).suffix.lower() not in {*images.EXTENSIONS, ".json"}:
        return
    if size > LARGEST_MEMBER or size > LARGEST_RATIO * max(packed, 1024):
        raise UsageError(f"{path} is refused: '{name}' unpacks from {packed} to {size} bytes, as a zip bomb does.")


def array_bytes(shape: Sequence[int], itemsize: int) -> int:
    """The bytes of an array; raises ValueError for negative sizes, and for more images than any source has."""
    if any(type(side) is not int or side < 0 for side in shape):
        raise ValueError(f"its shape {tuple(shape)} has a side that is no size")
    if shape and shape[0] > LARGEST_COUNT:
        raise ValueError(f"it declares {shape[0]} rows, more than the limit of {LARGEST_COUNT}")
    return math.prod(shape) * itemsize


def parsed(data: bytes) -> Any:
    """JSON; raises ValueError also where it is nested too deeply for Python."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def class_number(value: object) -> int:
    """A label as an integer of 0 to 2^63 - 1; raises ValueError for anything else, which would be cut or rounded."""
    if type(value) is not int or not 0 <= value <= LARGEST_LABEL:
        raise ValueError(f"{str(value)[:40]!r} is no class number")
    return value
