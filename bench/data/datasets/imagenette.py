"""``imagenette``: ten easily told classes of ImageNet (Howard 2019), 9,469 + 3,925 images of a short side of 160 px.

The smallest download of photographs with labels. Its second version divides each class anew, 70 to 30.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.core import fetch
from bench.core.fetch import File
from bench.data import prepare, prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers import files, splits, tgz
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.core.progress import Progress

URL = "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz"
ARCHIVE = "imagenette2-160.tgz"
SITE = "https://github.com/fastai/imagenette"
COUNTS = (9_469, 3_925)
CLASSES = (
    *("n01440764", "n02102040", "n02979186", "n03000684", "n03028079"),
    *("n03394916", "n03417042", "n03425413", "n03445777", "n03888257"),
)
"""Tench, English springer, cassette player, chain saw, church, French horn, garbage truck, gas pump, golf ball,
parachute."""

SPLIT = "Imagenette's own train and val, version 2"
LICENCE = "ImageNet's terms of access: for research that is not commercial"


def open_imagenette(request: DatasetRequest) -> Dataset:
    """Imagenette as it was prepared, or from ``request.path``; raises :class:`bench.errors.Missing` otherwise."""
    return prepared.named(request, build, remedy(request))


def remedy(request: DatasetRequest) -> str:
    """What to do where the data are not there."""
    return "\n".join(
        (
            f"Imagenette is not prepared at {request.resolution} px with the protocol {request.protocol}. Run",
            f"  python -m bench data prepare imagenette --resolution {request.resolution} "
            f"--protocol {request.protocol}",
            f"    to download {ARCHIVE} (about 100 MB) from {SITE}, or the same with",
            "  --from PATH",
            f"    where PATH is {ARCHIVE} or the folder out of it, with train/CLASS/ and val/CLASS/.",
            f"Terms: {LICENCE}.",
        )
    )


def download(request: DatasetRequest, progress: Progress) -> Path:
    """Brings the archive into the cache; no digest is published, so that the first download records it."""
    file = File(ARCHIVE, URL, "none", f"{SITE} publishes no digest")
    return fetch.obtain(file, request.cache / "downloads" / "imagenette", progress)


def build(request: DatasetRequest, path: Path) -> Dataset:
    """Prepares Imagenette from its archive or the folder out of it; labels are the order of :data:`CLASSES`."""
    source = files.open_path(tgz.unpacked(path, request.cache) if path.suffix in (".tgz", ".gz") else path)
    pair = splits.train_and_val(source)
    if pair is None or pair[0].classes != CLASSES:
        raise UsageError(
            f"{path} has no train and val folders with Imagenette's ten classes; give {ARCHIVE} or the folder out of "
            f"it, or take these images as --dataset folder:{path}."
        )
    found = (len(pair[0].names), len(pair[1].names))
    facts = {
        "licence": LICENCE,
        "counts": {"train": found[0], "val": found[1]},
        "published_counts": {"train": COUNTS[0], "val": COUNTS[1]},
        "complete": found == COUNTS,
    }
    return prepare.dataset(request, "imagenette", *pair, split=SPLIT, facts=facts)
