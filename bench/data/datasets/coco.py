"""``coco-val2017``: the 5,000 validation images of COCO 2017 (Lin et al. 2014), of many sizes up to 640 px."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from bench.core.progress import Progress
from bench.data import prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.datasets import held_out
from bench.data.datasets.held_out import HeldOut
from bench.errors import UsageError

URL = "http://images.cocodataset.org/zips/val2017.zip"
"""The publisher serves it without encryption."""
FOLDER = "val2017"


def about() -> HeldOut:
    """The set as it is published."""
    return HeldOut(
        title="COCO's validation images of 2017",
        count=5000,
        licence="photographs under the terms of Flickr and of their owners; annotations (not read) CC BY 4.0",
        urls=(URL,),
        gigabytes=0.82,
        layout="val2017.zip, the folder val2017 out of it, or a folder that holds one of them",
        images="JPEG files in val2017",
    )


def open_coco(request: DatasetRequest) -> Dataset:
    """COCO as it was prepared, or from ``request.path``; raises :class:`bench.errors.Missing` otherwise."""
    return prepared.named(request, build, held_out.remedy(request, about()))


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Raises :class:`bench.errors.UsageError`: what comes unencrypted, and has no digest, could be anything."""
    raise UsageError(
        f"{URL} is served without encryption and its publisher names no digest; download it yourself and name it: "
        f"python -m bench data prepare {request.name} --from val2017.zip"
    )


def build(request: DatasetRequest, path: Path) -> Dataset:
    """Prepares the images of ``val2017``; those of other folders (``train2017``, ``test2017``) are left out."""
    members = held_out.chosen(held_out.source(path, about()), known, about())
    return held_out.dataset(request, members, about())


def known(name: PurePosixPath) -> str | None:
    """The name of a JPEG file in the folder or archive ``val2017``, None for others."""
    return name.name if name.parent.name == FOLDER and name.suffix.lower() in (".jpg", ".jpeg") else None
