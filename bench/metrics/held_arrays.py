"""Arrays of an ``.npz`` file that somebody else may have made: nothing is allocated that its members do not hold."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from bench.data.readers import npz

LARGEST_UNPACKED = 1 << 28
"""Bytes (256 MiB) that compressed members may unpack to together; stored ones are as large as the file."""
KNOWN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read(path: Path, wanted: Callable[[str], bool]) -> Mapping[str, np.ndarray]:
    """The wanted arrays by name, read-only.

    Raises one of :data:`bench.data.readers.safety.UNPACKING_ERRORS` for what cannot be read within the limits.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is not a regular file")
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        chosen = {name: info for name, info in members.items() if wanted(name)}
        packed = [info for info in chosen.values() if info.compress_type != zipfile.ZIP_STORED]
        if sum(info.file_size for info in packed) > LARGEST_UNPACKED:
            raise ValueError(f"its arrays unpack to more than {LARGEST_UNPACKED:,} bytes")
        foreign = next((info.filename for info in packed if info.compress_type not in KNOWN), None)
        if foreign is not None:
            raise ValueError(f"{foreign} is compressed in a way that no such file is")
        return {name: npz.unpacked(archive, info) for name, info in chosen.items()}
