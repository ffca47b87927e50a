"""``imagenet``: ILSVRC 2012 (Russakovsky et al. 2015), from its usual folders ``train/CLASS/`` and ``val/``.

The 50,000 validation images are enough for what is not trained here: as a folder, or in the archive as downloaded.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from bench.data import prepare, prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers import files, packed, splits, tar
from bench.data.readers.files import Members
from bench.errors import UsageError

COUNTS = (1_281_167, 50_000)
SPLIT = "ILSVRC 2012's own train and val"
LICENCE = "for non-commercial research and education, by ImageNet's terms of access"
NO_TRAINING = "validation images only: ILSVRC 2012's val"
VALIDATION = "ILSVRC2012_val_"
"""How the names of the validation images begin."""


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
            "or take the validation images alone, where nothing is trained (PATH may be ILSVRC2012_img_val.tar),",
            "and run",
            f"  python -m bench data prepare imagenet --from PATH --resolution {request.resolution} "
            f"--protocol {request.protocol}",
        )
    )


def build(request: DatasetRequest, path: Path) -> Dataset:
    """Prepares ImageNet from a folder or zip with ``train`` and ``val``; labels are the order of the class folders.

    Of validation images alone, in a folder or in the archive as downloaded, it makes a test set without labels.
    """
    source = tar.opened([path]) if packed.is_tar(path) else files.open_path(path)
    pair = splits.train_and_val(source)
    train, val = pair if pair is not None else (None, _validation(source))
    if val is None:
        raise UsageError(
            f"{path} has no train and val folders as ImageNet has, and other images than {VALIDATION}*.JPEG; unpack "
            "both archives there, or give the folder of the validation images."
        )
    found = (len(train.names) if train is not None else 0, len(val.names))
    facts = {
        "counts": {"train": found[0], "val": found[1]},
        "published_counts": {"train": COUNTS[0], "val": COUNTS[1]},
        "complete": found in (COUNTS, (0, COUNTS[1])),
        "licence": LICENCE,
    }
    return prepare.dataset(request, "imagenet", train, val, split=SPLIT if train else NO_TRAINING, facts=facts)


def _validation(source: Members) -> Members | None:
    """The images of a source that has a validation folder and nothing else, or whose images are all called so."""
    if all(PurePosixPath(name).name.startswith(VALIDATION) for name in source.names):
        return files.subset(source, source.names, "val")
    return splits.only_val(source)
