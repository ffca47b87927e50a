"""Arrays of an ``.npz`` file that somebody else may have made: nothing is allocated that its members do not hold."""

from __future__ import annotations

import lzma
import math
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    ValueError,
    EOFError,
    KeyError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    MemoryError,
    OverflowError,
)
"""What damaged or hostile archives raise on being read: bad structure, unknown compression, a password."""

LARGEST_UNPACKED = 1 << 28
"""Bytes (256 MiB) that compressed members may unpack to together; stored ones are as large as the file."""
SAME = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read(path: Path, wanted: Callable[[str], bool]) -> Mapping[str, np.ndarray]:
    """The wanted arrays by name; raises one of :data:`ERRORS` for what cannot be read within the limits."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is not a regular file")
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        chosen = {name: info for name, info in members.items() if wanted(name)}
        packed = [info for info in chosen.values() if info.compress_type != zipfile.ZIP_STORED]
        if sum(info.file_size for info in packed) > LARGEST_UNPACKED:
            raise ValueError(f"its arrays unpack to more than {LARGEST_UNPACKED:,} bytes")
        return {name: _array(archive, info) for name, info in chosen.items()}


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """One array, whose header must declare what the member holds."""
    if info.compress_type not in SAME:
        raise ValueError(f"{info.filename} is compressed in a way that no such file is")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        declared = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or min(shape, default=0) < 0 or file.tell() + declared != info.file_size:
            raise ValueError(f"{info.filename} does not hold the {dtype} {shape} that it declares")
    with archive.open(info) as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):
            raise ValueError(f"{info.filename} goes on after its array")
    return array
