"""ADM-type ``.npz`` batches: ``arr_0`` uint8 ``[N, H, W, 3]`` and, where there are classes, ``arr_1`` ``[N]``."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np

from bench.core import digest
from bench.core.images import Decoded
from bench.data.readers.files import Members
from bench.errors import UsageError

LARGEST_PACKED = 1 << 36
"""Bytes (64 GiB) that a compressed array may declare; a stored one is mapped and may be of any size."""


def opened(path: Path) -> Members:
    """The images of a batch as members named by their number; raises :class:`UsageError` for another layout."""
    images, labels = _arrays(path)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not len(images):
        raise UsageError(f"arr_0 of {path} is {images.dtype} {images.shape}, not uint8 [N, H, W, 3].")
    if labels is not None and (labels.dtype.kind not in "iu" or labels.shape != (len(images),)):
        raise UsageError(f"arr_1 of {path} is {labels.dtype} {labels.shape}, not integers [{len(images)}].")
    names = tuple(f"{i:08d}" for i in range(len(images)))
    height, width = images.shape[1:3]

    def decode(data: bytes, name: str) -> Decoded:
        return Decoded(np.frombuffer(data, np.uint8).reshape(height, width, 3), "raw")

    status = path.stat()
    stamp = digest.of_value(["npz", str(path.resolve()), status.st_size, status.st_mtime_ns])
    numbers = None if labels is None else {name: int(label) for name, label in zip(names, labels, strict=True)}
    return Members(str(path), names, stamp, lambda name: images[int(name)].tobytes(), decode, numbers)


def _arrays(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        with zipfile.ZipFile(path) as archive:
            held = {info.filename: info for info in archive.infolist()}
            if "arr_0.npy" not in held:
                raise UsageError(f"{path} holds no arr_0; an ADM batch has its images there.")
            return _array(archive, held["arr_0.npy"], path), (
                _array(archive, held["arr_1.npy"], path) if "arr_1.npy" in held else None
            )
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, SyntaxError, struct.error) as error:
        raise UsageError(f"{path} is not a readable .npz file ({error}); make or download it again.") from error


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> np.ndarray:
    """The array of a member: mapped where it is stored, unpacked into memory where it is compressed."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        start = file.tell()
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if dtype.hasobject or fortran or start + size != info.file_size or size > LARGEST_PACKED:
            raise ValueError(f"{info.filename} is not a plain array of the size it declares")
        if info.compress_type != zipfile.ZIP_STORED:
            return np.frombuffer(file.read(), dtype).reshape(shape)
    with path.open("rb") as raw:
        raw.seek(info.header_offset)
        header = raw.read(30)
    name_length, extra_length = struct.unpack("<HH", header[26:30])
    offset = info.header_offset + 30 + name_length + extra_length + start
    return np.asarray(np.memmap(path, dtype, "r", offset=offset, shape=shape))
