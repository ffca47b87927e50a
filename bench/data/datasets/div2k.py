"""``div2k``: the 100 validation images of DIV2K (Agustsson and Timofte 2017), about 2040 pixels wide, 0801 to 0900."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.fetch import File
from bench.data import named_sets
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.named_sets import NamedSet

if TYPE_CHECKING:
    from bench.core.progress import Progress

SITE = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
SET = NamedSet(
    name="div2k",
    title="DIV2K's validation set",
    site=SITE,
    licence="for academic research only; the photographs belong to their authors",
    split="test images only: DIV2K's 100 validation images of full size",
    pattern=r"0(80[1-9]|8[1-9]\d|900)\.png",
    count=100,
    folders=("DIV2K_valid_HR",),
    downloads=(File("DIV2K_valid_HR.zip", f"{SITE}DIV2K_valid_HR.zip", "none", "DIV2K publishes no digest"),),
    size=450_000_000,
)


def open_div2k(request: DatasetRequest) -> Dataset:
    """The images as they were prepared, or from ``request.path``."""
    return named_sets.opened(request, SET)


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Brings ``DIV2K_valid_HR.zip`` into the cache."""
    return named_sets.download(request, progress, SET)
