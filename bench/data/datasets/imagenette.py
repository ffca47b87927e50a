"""``imagenette``: ten easy classes of ImageNet (Howard 2019), its smallest archive: 160 px on the short side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from bench.core.progress import Progress
from bench.data import prepare, prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.datasets import held_out
from bench.data.datasets.held_out import HeldOut
from bench.data.readers import files, packed, splits
from bench.errors import UsageError

URL = "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz"
ARCHIVE = "imagenette2-160.tgz"
LARGER = ("imagenette2", "imagenette2-320")
"""The archives, and their folders, of the same images in other sizes."""
COUNTS = (9_469, 3_925)
CLASSES = (
    *("n01440764", "n02102040", "n02979186", "n03000684", "n03028079"),
    *("n03394916", "n03417042", "n03425413", "n03445777", "n03888257"),
)
"""Tench, English springer, cassette player, chain saw, church, French horn, garbage truck, gas pump, golf ball and
parachute: a label is a place in this list."""
SPLIT = "Imagenette's own train and val"
NO_TRAINING = "validation images only: Imagenette's val"


def about() -> HeldOut:
    """The archive as it is published."""
    return HeldOut(
        title="Imagenette of 160 px",
        count=COUNTS[1],
        licence="the selection Apache 2.0; the images are ImageNet's, for non-commercial research and education",
        urls=(URL,),
        gigabytes=0.1,
        layout=f"{ARCHIVE}, or the folder imagenette2-160 out of it with train/CLASS/ and val/CLASS/",
        images="of train and val",
    )


def open_imagenette(request: DatasetRequest) -> Dataset:
    """Imagenette as it was prepared, or from ``request.path``; raises :class:`bench.errors.Missing` otherwise."""
    return prepared.named(request, build, held_out.remedy(request, about()))


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Brings the archive into the cache; see :func:`bench.data.datasets.held_out.download`."""
    return held_out.download(request, progress, about()) / ARCHIVE


def build(request: DatasetRequest, path: Path) -> Dataset:
    """Prepares Imagenette; labels are the order of the class folders. Without training images it is a test set."""
    source = files.open_path(packed.as_zip(path, request.cache) if packed.is_tar(path) else path)
    source = replace(source, origin=str(path))
    larger = {path.name.partition(".")[0], PurePosixPath(source.names[0]).parts[0]} & set(LARGER)
    if larger:
        raise UsageError(f"{path} is {larger.pop()}, Imagenette in another size; give {about().layout}.")
    pair = splits.train_and_val(source)
    val = splits.only_val(source) if pair is None else pair[1]
    if val is None:
        raise UsageError(f"{path} has no train and val folders as Imagenette has; give {about().layout}.")
    if {PurePosixPath(name).parent.name for name in val.names} != set(CLASSES):
        raise UsageError(
            f"{path} does not have Imagenette's ten classes, whose order is the labels; give {about().layout}."
        )
    found = (len(pair[0].names) if pair else 0, len(val.names))
    facts = {
        "counts": {"train": found[0], "val": found[1]},
        "published_counts": {"train": COUNTS[0], "val": COUNTS[1]},
        "complete": found == COUNTS,
        "licence": about().licence,
    }
    return prepare.dataset(
        request, "imagenette", pair[0] if pair else None, val, split=SPLIT if pair else NO_TRAINING, facts=facts
    )
