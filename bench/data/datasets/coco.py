"""``coco-val2017``: the 5,000 validation images of COCO (Lin et al. 2014), about 640 x 480 pixels, JPEG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.fetch import File
from bench.data import named_sets
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.named_sets import NamedSet

if TYPE_CHECKING:
    from bench.core.progress import Progress

URL = "http://images.cocodataset.org/zips/val2017.zip"
"""Served without encryption under its own name."""

SET = NamedSet(
    name="coco-val2017",
    title="COCO's validation set of 2017",
    site="https://cocodataset.org/#download",
    licence="the terms of use of Flickr; each photograph has a licence of its own",
    split="test images only: COCO's 5,000 validation images of 2017",
    pattern=r"\d{12}\.jpg",
    count=5_000,
    folders=("val2017",),
    downloads=(File("val2017.zip", URL, "none", "COCO publishes no digest"),),
    size=1_000_000_000,
)


def open_coco(request: DatasetRequest) -> Dataset:
    """The images as they were prepared, or from ``request.path``."""
    return named_sets.opened(request, SET)


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Brings ``val2017.zip`` into the cache."""
    return named_sets.download(request, progress, SET)
