"""Whether a file can be what its name says, by its structure alone. No torch, nothing is unpacked."""

from __future__ import annotations

import json
import tarfile
import zipfile
import zlib
from pathlib import Path

LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of torch before version 1.6 begin."""

LARGEST_HEADER = 100_000_000
"""Bytes of a safetensors header at most, as its format says."""


def misfit(path: Path, name: str) -> str | None:
    """Why the file at ``path`` cannot be what ``name`` ends with, or None; unknown endings fit anything."""
    try:
        if name.endswith(".safetensors"):
            return _safetensors(path)
        if name.endswith((".pt", ".pth", ".ckpt", ".pth.tar")):
            return _torch(path)
        if name.endswith((".zip", ".npz")):
            with zipfile.ZipFile(path) as archive:
                return None if archive.namelist() else "it holds nothing"
        if name.endswith((".tar", ".tar.gz", ".tgz")):
            with tarfile.open(path) as tape:
                return None if tape.next() is not None else "it holds nothing"
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError) as error:
        return (" ".join(str(error).split()) or type(error).__name__)[:120]
    return None


def _safetensors(path: Path) -> str | None:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, LARGEST_HEADER):
            return "it has no header"
        header = json.loads(file.read(length))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return None if 8 + length + max(ends, default=0) == size else "its size is not that of its tensors"


def _torch(path: Path) -> str | None:
    with path.open("rb") as file:
        if file.read(len(LEGACY_TORCH)) == LEGACY_TORCH:
            return None
    with zipfile.ZipFile(path) as archive:
        return None if any(name.endswith("data.pkl") for name in archive.namelist()) else "it holds no pickle"
