"""``imagenet``: ILSVRC 2012 (Russakovsky et al. 2015), from its usual folders ``train/CLASS/`` and ``val/``.

The 50,000 validation images alone are read too, as a test set: the folder of them, with or without class folders, or
``ILSVRC2012_img_val.tar`` as downloaded. Published tokenizers are measured on these.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from bench.data import prepare, prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers import files, splits, tar
from bench.data.readers.files import Members
from bench.errors import UsageError

COUNTS = (1_281_167, 50_000)
SPLIT = "ILSVRC 2012's own train and val"
TEST_SET = "test images only: ILSVRC 2012's validation images"
VALIDATION = re.compile(r"ILSVRC2012_val_\d{8}\.JPEG", re.IGNORECASE)
"""What the validation images are called; the training images are called after their classes."""


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
            "or, where nothing is trained on it, take ILSVRC2012_img_val.tar or its folder alone as PATH; and run",
            f"  python -m bench data prepare imagenet --from PATH --resolution {request.resolution} "
            f"--protocol {request.protocol}",
        )
    )


def build(request: DatasetRequest, path: Path) -> Dataset:
    """Prepares ImageNet from a folder or zip with ``train`` and ``val``, or its validation images alone.

    Labels are the order of the class folders.
    """
    source = tar.opened([path]) if path.suffix == ".tar" else files.open_path(path)
    pair = splits.train_and_val(source)
    train, val = pair if pair is not None else (None, _validation(source))
    if val is None:
        raise UsageError(f"{path} has no train and val folders as ImageNet has; unpack both archives there.")
    found = (len(train.names) if train is not None else 0, len(val.names))
    facts = {
        "counts": {"train": found[0], "val": found[1]},
        "published_counts": {"train": COUNTS[0], "val": COUNTS[1]},
        "complete": found == COUNTS if train is not None else found[1] == COUNTS[1],
    }
    rule = SPLIT if train is not None else TEST_SET
    return prepare.dataset(request, "imagenet", train, val, split=rule, facts=facts)


def _validation(source: Members) -> Members | None:
    """A source whose images are all named as ILSVRC 2012's validation images, with their classes; None for another."""
    if not all(VALIDATION.fullmatch(PurePosixPath(name).name) for name in source.names):
        return None
    return splits.in_class_folders(files.subset(source, source.names, "val"))
