"""``imagenet``: ILSVRC 2012 (Russakovsky et al. 2015), from its usual folders ``train/CLASS/`` and ``val/``."""

from __future__ import annotations

from pathlib import Path

from bench.data import prepare, prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers import files, splits
from bench.errors import UsageError

COUNTS = (1_281_167, 50_000)
SPLIT = "ILSVRC 2012's own train and val"


def open_imagenet(request: DatasetRequest) -> Dataset:
    """ImageNet as it was prepared, or from ``request.path``; raises :class:`bench.errors.Missing` otherwise."""
    return prepared.named(request, build, remedy(request))


def remedy(request: DatasetRequest) -> str:
    """What to do where the data are not there: only registered users may download them."""
    return "\n".join(
        (
            f"ImageNet is not prepared at {request.resolution} px with the protocol {request.protocol}, and its terms",
            "leave the download to you. Register at https://image-net.org, get ILSVRC2012_img_train.tar and",
            "ILSVRC2012_img_val.tar, unpack them to PATH/train/CLASS/*.JPEG and PATH/val/*.JPEG (or val/CLASS/*.JPEG),",
            "and run",
            f"  python -m bench data prepare imagenet --from PATH --resolution {request.resolution} "
            f"--protocol {request.protocol}",
        )
    )


def build(request: DatasetRequest, path: Path) -> Dataset:
    """Prepares ImageNet from a folder or zip with ``train`` and ``val``; labels are the order of the class folders."""
    source = files.open_path(path)
    pair = splits.train_and_val(source)
    if pair is None:
        raise UsageError(f"{path} has no train and val folders as ImageNet has; unpack both archives there.")
    found = (len(pair[0].names), len(pair[1].names))
    facts = {
        "counts": {"train": found[0], "val": found[1]},
        "published_counts": {"train": COUNTS[0], "val": COUNTS[1]},
        "complete": found == COUNTS,
    }
    return prepare.dataset(request, "imagenet", *pair, split=SPLIT, facts=facts)
