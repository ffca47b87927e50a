"""Arrays of images: ADM-type ``.npz`` batches (``arr_0``, and ``arr_1`` where there are classes) and ``.npy``."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from bench.core import digest
from bench.core.files import identity, regular
from bench.core.images import Decoded
from bench.core.visible import in_short
from bench.data.readers.files import Members
from bench.data.readers.safety import UNPACKING_ERRORS, array_bytes, class_number
from bench.errors import UsageError

LARGEST_PACKED = 1 << 36
"""Bytes (64 GiB) that a compressed array may declare; a stored one is mapped and may be of any size."""

EXPANSION, SMALLEST_BOMB = 100, 1 << 28
"""A compressed array of more than 256 MiB is refused where it is this many times its packed size."""

IMAGES, LABELS = "arr_0.npy", "arr_1.npy"
CHUNK = 1 << 20


def opened(path: Path, labelled: bool = True) -> Members:
    """The images of a batch as members named by their number; raises :class:`UsageError` for another layout.

    ``arr_0`` is uint8 ``[N, H, W, 3]``. Where ``labelled`` is False, ``arr_1`` is not looked at: not every tool keeps
    class numbers there.
    """
    status = regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            held = {info.filename: info for info in archive.infolist()}
            if IMAGES not in held:
                raise UsageError(f"{path} holds no arr_0; an ADM batch has its images there.")
            pixels = _array(archive, held[IMAGES], path)
            labels = unpacked(archive, held[LABELS]) if labelled and LABELS in held else None
    except UNPACKING_ERRORS as error:
        raise UsageError(
            f"{path} is not a readable .npz file ({in_short(error)}); make or download it again."
        ) from error
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3 or not pixels.size:
        raise UsageError(f"arr_0 of {path} is {pixels.dtype} {pixels.shape}, not uint8 [N, H, W, 3].")
    stamp = digest.of_value(["npz", labelled, str(path.resolve()), identity(status), held[IMAGES].CRC])
    check = _checksum(path, held[IMAGES])
    return numbered(path, pixels, stamp, status.st_ctime_ns, _class_numbers(path, labels, len(pixels)), check)


def holds_images(path: Path) -> bool:
    """Whether an ``.npz`` has images (``arr_0``), whatever else it has."""
    try:
        regular(path)
        with zipfile.ZipFile(path) as archive:
            return IMAGES in archive.namelist()
    except (UsageError, *UNPACKING_ERRORS):
        return False


def array(path: Path) -> Members:
    """The images of a ``.npy`` file: uint8 ``[N, H, W, 3]`` or ``[N, 3, H, W]``."""
    status = regular(path)
    try:
        with path.open("rb") as file:
            shape, _, dtype = _header(file)
            array_bytes(shape, dtype.itemsize)
        pixels: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except UNPACKING_ERRORS as error:
        raise UsageError(f"{path} is not a readable .npy file ({in_short(error)}); save it again.") from error
    if pixels.dtype == np.uint8 and pixels.ndim == 4 and pixels.shape[3] != 3 and pixels.shape[1] == 3:
        pixels = pixels.transpose(0, 2, 3, 1)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3 or not pixels.size:
        raise UsageError(f"{path} holds {pixels.dtype} {pixels.shape}; images are uint8 [N, H, W, 3] or [N, 3, H, W].")
    stamp = digest.of_value(["npy", str(path.resolve()), identity(status)])
    return numbered(path, pixels, stamp, status.st_ctime_ns)


def numbered(
    path: Path,
    pixels: np.ndarray,
    stamp: str,
    changed: int = 0,
    labels: dict[str, int] | None = None,
    check: Callable[[], None] = lambda: None,
) -> Members:
    """uint8 ``[N, H, W, 3]`` as members named by their number; ``stamp`` changes whenever the array does."""
    names = tuple(f"{i:08d}" for i in range(len(pixels)))
    height, width = pixels.shape[1:3]

    def read(name: str) -> bytes:
        return np.ascontiguousarray(pixels[int(name)]).tobytes()

    def decode(data: bytes, title: str) -> Decoded:
        return Decoded(np.frombuffer(data, np.uint8).reshape(height, width, 3), "raw")

    return Members(
        str(path), names, stamp, read, decode, labels, changed=changed, check=check, form=f"{width}x{height}"
    )


def _class_numbers(path: Path, labels: np.ndarray | None, count: int) -> dict[str, int] | None:
    if labels is None:
        return None
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise UsageError(f"arr_1 of {path} is {labels.dtype} {labels.shape}, not integers [{count}].")
    try:
        return {f"{i:08d}": class_number(int(label)) for i, label in enumerate(labels)}
    except ValueError as error:
        raise UsageError(f"arr_1 of {path}: {error}; classes are numbered from 0.") from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return shape, fortran, dtype


def _checked_header(file: IO[bytes], info: zipfile.ZipInfo) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and dtype of a member; raises ValueError where they do not fill it, and for a bomb."""
    shape, fortran, dtype = _header(file)
    size = array_bytes(shape, dtype.itemsize)
    if dtype.hasobject or file.tell() + size != info.file_size:
        raise ValueError(f"{info.filename} is not a plain array of the size it declares")
    bomb = size > LARGEST_PACKED or (size > SMALLEST_BOMB and size > EXPANSION * info.compress_size)
    if bomb and info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{info.filename} unpacks from {info.compress_size} to {size} bytes, as a zip bomb does")
    return shape, fortran, dtype


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> np.ndarray:
    """The array of a member: mapped where it is stored, unpacked into memory where it is compressed."""
    if info.compress_type != zipfile.ZIP_STORED:
        return unpacked(archive, info)
    with archive.open(info) as file:
        shape, fortran, dtype = _checked_header(file, info)
        start = file.tell()
    if not array_bytes(shape, dtype.itemsize):
        return np.empty(shape, dtype)
    offset = _offset(path, info) + start
    return np.asarray(np.memmap(path, dtype, "r", offset=offset, shape=shape, order="F" if fortran else "C"))


def unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """The array of a member in memory; zipfile compares its checksum."""
    with archive.open(info) as file:
        shape, fortran, dtype = _checked_header(file, info)
        return np.frombuffer(file.read(), dtype).reshape(shape, order="F" if fortran else "C")


def _offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Where the bytes of a stored member begin."""
    with path.open("rb") as raw:
        raw.seek(info.header_offset)
        name_length, extra_length = struct.unpack("<HH", raw.read(30)[26:30])
    return int(info.header_offset + 30 + name_length + extra_length)


def _checksum(path: Path, info: zipfile.ZipInfo) -> Callable[[], None]:
    """Compares a stored member, which is mapped and never unpacked, with its checksum."""

    def check() -> None:
        if info.compress_type != zipfile.ZIP_STORED:
            return
        found, left = 0, info.file_size
        with path.open("rb") as file:
            file.seek(_offset(path, info))
            while left and (piece := file.read(min(CHUNK, left))):
                found, left = zlib.crc32(piece, found), left - len(piece)
        if left or found != info.CRC:
            raise UsageError(f"{info.filename} of {path} does not have its checksum; make or download it again.")

    return check
