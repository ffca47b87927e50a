"""``photos``: crops of seven colour photographs that lie inside the scikit-image and scikit-learn wheels.

The embedded default: nothing is downloaded. Crops are square, at the photographs' own scale. Training crops lie in the
left three quarters of a photograph, validation crops in the right quarter without a gap as wide as a crop, so that no
pixel is in both and no validation crop touches the training area. Neighbouring crops of one split overlap. A photograph
that is too narrow for a validation crop (chelsea at 64 px) gives training crops only.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.core import digest, images
from bench.data import prepare
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers.files import Members
from bench.errors import IntegrityError, Missing, UsageError

TRAIN_STRIDE, VAL_STRIDE = 12, 16
"""Pixels between the corners of neighbouring crops."""

SPLIT = "left three quarters of each photograph / right quarter without a gap as wide as a crop"


@dataclass(frozen=True)
class Photo:
    """A photograph inside an installed package and the SHA-256 of its file."""

    package: str
    file: str
    sha256: str
    licence: str


PHOTOS = (
    Photo(
        "skimage",
        "data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        "public domain (NASA)",
    ),
    Photo(
        "skimage",
        "data/chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        "CC0 (Stefan van der Walt)",
    ),
    Photo(
        "skimage",
        "data/coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        "CC0 (Rachel Michetti)",
    ),
    Photo(
        "skimage",
        "data/motorcycle_left.png",
        "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
        "CC0 (Middlebury stereo benchmark)",
    ),
    Photo(
        "skimage",
        "data/rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        "CC0 (SpaceX)",
    ),
    Photo(
        "sklearn",
        "datasets/images/china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
        "CC BY 2.0 (danielbuechele)",
    ),
    Photo(
        "sklearn",
        "datasets/images/flower.jpg",
        "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
        "CC BY 2.0 (vultilion)",
    ),
)


@dataclass(frozen=True)
class Crop:
    """A square of ``side`` pixels of a photograph; ``left`` and ``top`` are its corner."""

    photo: str
    left: int
    top: int
    side: int

    @property
    def name(self) -> str:
        """The photograph, the corner and the side, as it stands in ``sources.jsonl``."""
        return f"{self.photo}@{self.left},{self.top},{self.side}"


def open_photos(request: DatasetRequest) -> Dataset:
    """The crops at ``request.resolution``; raises :class:`UsageError` where it is too high for the photographs."""
    pixels = {Path(photo.file).stem: load(photo) for photo in PHOTOS}
    sizes = [(stem, image.shape[0], image.shape[1]) for stem, image in pixels.items()]
    train = [crop for size in sizes for crop in train_crops(*size, request.resolution)]
    val = [crop for size in sizes for crop in val_crops(*size, request.resolution)]
    if not val:
        widest = max(width for _, _, width in sizes)
        raise UsageError(
            f"The embedded photographs give crops of up to {widest // 8} px, not {request.resolution}; take the preset "
            "smoke or small, or images of your own: --dataset folder:PATH."
        )
    facts = {
        "pins": {photo.file: photo.sha256 for photo in PHOTOS},
        "strides": {"train": TRAIN_STRIDE, "val": VAL_STRIDE},
        "val_photographs": sorted({crop.photo for crop in val}),
    }
    splits = (_members(train, pixels), _members(val, pixels))
    return prepare.dataset(request, "photos", *splits, split=SPLIT, facts=facts)


def load(photo: Photo) -> np.ndarray:
    """The photograph's pixels, uint8 ``[H, W, 3]``; raises :class:`IntegrityError` when it is another file."""
    spec = importlib.util.find_spec(photo.package)
    if spec is None or spec.origin is None:
        raise Missing(f"The package '{photo.package}' is not installed; run: pip install scikit-image scikit-learn.")
    path = Path(spec.origin).parent / photo.file
    if not path.is_file():
        raise Missing(f"There is no {path}; run: pip install --force-reinstall scikit-image scikit-learn.")
    data = path.read_bytes()
    if digest.of_bytes(data) != photo.sha256:
        raise IntegrityError(f"{path} is not the photograph that is pinned; reinstall the package that holds it.")
    return images.decode(data, str(path)).pixels


def train_crops(photo: str, height: int, width: int, side: int) -> Iterator[Crop]:
    """Crops whose right edge stays within the left three quarters."""
    return _grid(photo, side, TRAIN_STRIDE, range(0, width * 3 // 4 - side + 1, TRAIN_STRIDE), height)


def val_crops(photo: str, height: int, width: int, side: int) -> Iterator[Crop]:
    """Crops that begin a crop's width to the right of the three quarters; none where that leaves no room."""
    return _grid(photo, side, VAL_STRIDE, range(width * 3 // 4 + side, width - side + 1, VAL_STRIDE), height)


def _grid(photo: str, side: int, stride: int, lefts: range, height: int) -> Iterator[Crop]:
    return (Crop(photo, left, top, side) for left in lefts for top in range(0, height - side + 1, stride))


def _members(crops: list[Crop], pixels: dict[str, np.ndarray]) -> Members:
    """The crops as members whose source bytes are their raw RGB pixels."""
    by_name = {crop.name: crop for crop in crops}

    def read(name: str) -> bytes:
        crop = by_name[name]
        rows = pixels[crop.photo][crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
        return rows.tobytes()

    def decode(data: bytes, name: str) -> images.Decoded:
        side = by_name[name].side
        return images.Decoded(np.frombuffer(data, np.uint8).reshape(side, side, 3), "raw")

    stamp = digest.of_value([[photo.sha256 for photo in PHOTOS], list(by_name)])
    return Members("photos", tuple(by_name), stamp, read, decode)
