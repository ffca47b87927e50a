"""``kodak``: the 24 photographs of the Kodak Lossless True Color Image Suite, 768 x 512 or upright, as PNG files.

Every file is held against its SHA-256. The embedded ``photos`` are the same photographs at half size.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.fetch import File
from bench.data import named_sets
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.datasets.photos import photographs
from bench.data.named_sets import NamedSet

if TYPE_CHECKING:
    from bench.core.progress import Progress

SITE = "https://r0k.us/graphics/kodak/"
PINS = {f"{photo.name}.png": photo.original_sha256 for photo in photographs()}
SET = NamedSet(
    name="kodak",
    title="Kodak's suite of photographs",
    site=SITE,
    licence="released by the Eastman Kodak Company for unrestricted use",
    split="test images only: all 24 photographs",
    pattern=r"kodim(0[1-9]|1\d|2[0-4])\.png",
    count=24,
    folders=("kodak",),
    downloads=tuple(
        File(name, f"{SITE}kodak/{name}", f"sha256:{pin}", "files of the suite") for name, pin in PINS.items()
    ),
    size=15_400_000,
    pins=PINS,
)


def open_kodak(request: DatasetRequest) -> Dataset:
    """The photographs as they were prepared, or from ``request.path``."""
    return named_sets.opened(request, SET)


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Brings the 24 files into the cache."""
    return named_sets.download(request, progress, SET)
