"""``photos``: the 24 photographs of the Kodak Lossless True Color Image Suite at half size, inside the package.

The embedded default: nothing is downloaded. Crops are square, at the photographs' own scale. 18 photographs give
training crops, which overlap; the other six validate and are covered from edge to edge, so that no photograph, and no
pixel, is in both splits. ``photographs/source.toml`` holds the digest of every file and of the original that it was
made from; ``tests/scripts/embedded_photographs.py`` makes both.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bench.core import digest, images, native
from bench.data import prepare
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers.files import Members
from bench.errors import IntegrityError, Missing, UsageError

FOLDER = Path(__file__).with_name("photographs")
TABLE = "source.toml"

VALIDATION = ("kodim05", "kodim07", "kodim08", "kodim15", "kodim19", "kodim23")
"""Motorcycles, flowers before a window, timbered houses, a child's face, a lighthouse (upright), parrots."""

TRAIN_STRIDE = 16
"""Pixels between the corners of neighbouring training crops."""

SPLIT = "18 photographs, in overlapping crops / 6 other photographs, whole"


@dataclass(frozen=True)
class Photo:
    """An embedded photograph: its size, the SHA-256 of its file and of the PNG file that it was made from."""

    name: str
    width: int
    height: int
    sha256: str
    original_sha256: str

    @property
    def file(self) -> Path:
        """The lossless WebP file."""
        return FOLDER / f"{self.name}.webp"


@dataclass(frozen=True)
class Crop:
    """A square of ``side`` pixels of a photograph; ``left`` and ``top`` are its corner."""

    photo: Photo
    left: int
    top: int
    side: int

    @property
    def name(self) -> str:
        """The photograph, the corner and the side, as it stands in ``sources.jsonl``."""
        return f"{self.photo.name}@{self.left},{self.top},{self.side}"


def open_photos(request: DatasetRequest) -> Dataset:
    """The crops at ``request.resolution``, under the protocol ``native`` for validation the six photographs whole.

    Raises :class:`UsageError` where the resolution is too high for the photographs.
    """
    train, val = split()
    side, largest = request.resolution, min(photo.height for photo in val)
    if side > largest:
        raise UsageError(
            f"The embedded photographs give crops of up to {largest} px, not {side}; take a lower resolution "
            "(--preset, or --set resolution=N), or images of your own: --dataset folder:PATH."
        )
    shown, held = _cropped(crops(train, train_corners, side)), _cropped(crops(val, val_corners, side))
    measured = whole(val) if native.is_native(request.protocol) else held
    return prepare.dataset(request, "photos", shown, measured, split=SPLIT, facts=facts(), crops=held)


@cache
def photographs() -> tuple[Photo, ...]:
    """The 24 photographs in the order of their names, as ``source.toml`` lists them."""
    table = tomllib.loads((FOLDER / TABLE).read_text(encoding="utf-8"))
    return tuple(Photo(**row) for row in table["photographs"])


def split() -> tuple[tuple[Photo, ...], tuple[Photo, ...]]:
    """The 18 photographs for training and the 6 for validation."""
    return (
        tuple(photo for photo in photographs() if photo.name not in VALIDATION),
        tuple(photo for photo in photographs() if photo.name in VALIDATION),
    )


def facts() -> dict[str, object]:
    """What a result says of the photographs: one digest that stands for all files, the split and the stride."""
    return {
        "photographs": digest.of_value([photo.sha256 for photo in photographs()]),
        "licence": "released by the Eastman Kodak Company for unrestricted use",
        "strides": {"train": TRAIN_STRIDE},
        "val_photographs": [photo.name for photo in split()[1]],
    }


def whole(chosen: Sequence[Photo]) -> Members:
    """Photographs as members, uncropped: their source bytes are their files."""
    by_name = {photo.file.name: photo for photo in chosen}
    stamp = digest.of_value(["whole", [photo.sha256 for photo in chosen]])
    return Members("photos", tuple(by_name), stamp, lambda name: read(by_name[name]))


def read(photo: Photo) -> bytes:
    """The photograph's file; raises :class:`IntegrityError` when it is another one."""
    remedy = "reinstall this package, or take it from the repository again"
    if not photo.file.is_file():
        raise Missing(f"There is no {photo.file}; {remedy}.")
    data = photo.file.read_bytes()
    if digest.of_bytes(data) != photo.sha256:
        raise IntegrityError(f"{photo.file} is not the photograph that is pinned; {remedy}.")
    return data


def load(photo: Photo) -> np.ndarray:
    """The photograph's pixels, uint8 ``[H, W, 3]``."""
    return images.decode(read(photo), str(photo.file)).pixels


def train_corners(length: int, side: int) -> range:
    """Where crops begin along an edge of ``length`` pixels, :data:`TRAIN_STRIDE` apart."""
    return range(0, length - side + 1, TRAIN_STRIDE)


def val_corners(length: int, side: int) -> list[int]:
    """Where the fewest crops begin that cover an edge of ``length`` pixels, evenly; they overlap where they must."""
    count = -(-length // side)
    return [i * (length - side) // max(1, count - 1) for i in range(count)]


Corners = Callable[[int, int], Sequence[int]]


def crops(chosen: Sequence[Photo], corners: Corners, side: int) -> Iterator[Crop]:
    """The crops of some photographs, with their corners by one of the two rules."""
    for photo in chosen:
        for left in corners(photo.width, side):
            for top in corners(photo.height, side):
                yield Crop(photo, left, top, side)


def _cropped(cut: Iterator[Crop]) -> Members:
    """Crops as members whose source bytes are their raw RGB pixels; a photograph is read when its first crop is."""
    by_name = {crop.name: crop for crop in cut}
    pixels = cache(load)

    def rows(name: str) -> bytes:
        crop = by_name[name]
        return pixels(crop.photo)[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side].tobytes()

    def decode(data: bytes, name: str) -> images.Decoded:
        side = by_name[name].side
        return images.Decoded(np.frombuffer(data, np.uint8).reshape(side, side, 3), "raw")

    files = sorted({crop.photo.sha256 for crop in by_name.values()})
    return Members("photos", tuple(by_name), digest.of_value([files, list(by_name)]), rows, decode)
