"""``div2k``: the 100 validation images of DIV2K (Agustsson and Timofte 2017), 2,040 px on the long side."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from bench.core.progress import Progress
from bench.data import prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.datasets import held_out
from bench.data.datasets.held_out import HeldOut

URL = "https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_valid_HR.zip"
FIRST, LAST = 801, 900


def about() -> HeldOut:
    """The set as it is published."""
    return HeldOut(
        title="DIV2K's validation images at full resolution",
        count=LAST - FIRST + 1,
        licence="for academic research only; the images' rights stay with their owners",
        urls=(URL,),
        gigabytes=0.45,
        layout="DIV2K_valid_HR.zip, the folder DIV2K_valid_HR out of it, or a folder that holds one of them",
        images="0801.png to 0900.png",
    )


def open_div2k(request: DatasetRequest) -> Dataset:
    """DIV2K as it was prepared, or from ``request.path``; raises :class:`bench.errors.Missing` otherwise."""
    return prepared.named(request, build, held_out.remedy(request, about()))


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Brings the archive into the cache; see :func:`bench.data.datasets.held_out.download`."""
    return held_out.download(request, progress, about())


def build(request: DatasetRequest, path: Path) -> Dataset:
    """Prepares the images; training images and those of low resolution, which have other names, are left out."""
    members = held_out.chosen(held_out.source(path, about()), known, about())
    return held_out.dataset(request, members, about())


def known(name: PurePosixPath) -> str | None:
    """``0801`` to ``0900``, None for others; ``0801x2`` is one of low resolution."""
    stem = name.stem
    return stem if len(stem) == 4 and stem.isascii() and stem.isdigit() and FIRST <= int(stem) <= LAST else None
