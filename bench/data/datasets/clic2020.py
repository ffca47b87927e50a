"""``clic2020``: the 428 test images of the Challenge on Learned Image Compression 2020, PNG of about two megapixels.

178 photographs are of the category "mobile", 250 of "professional".
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.fetch import File
from bench.data import named_sets
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.named_sets import NamedSet

if TYPE_CHECKING:
    from bench.core.progress import Progress

SITE = "https://data.vision.ee.ethz.ch/cvl/clic/test/"
ARCHIVES = ("CLIC2020Mobile_test.zip", "CLIC2020Professional_test.zip")
SET = NamedSet(
    name="clic2020",
    title="CLIC 2020's test set",
    site="https://compression.cc (https://data.vision.ee.ethz.ch/cvl/clic/test/)",
    licence="as the challenge gives them; the professional photographs are from Unsplash, under its licence",
    split="test images only: CLIC 2020's test images, mobile and professional",
    pattern=r".+\.png",
    count=428,
    folders=("test", "mobile", "professional", "CLIC2020Mobile_test", "CLIC2020Professional_test"),
    downloads=tuple(File(name, SITE + name, "none", "CLIC publishes no digest") for name in ARCHIVES),
    size=None,
)


def open_clic2020(request: DatasetRequest) -> Dataset:
    """The images as they were prepared, or from ``request.path``."""
    return named_sets.opened(request, SET)


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Brings the two archives into the cache."""
    return named_sets.download(request, progress, SET)
