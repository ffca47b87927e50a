"""``ffhq``: Flickr-Faces-HQ (Karras et al. 2019), 70,000 faces, from PNG folders or a zip of any resolution."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.data import prepare, prepared
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers import files
from bench.data.readers.files import Members
from bench.errors import UsageError

TRAINING = 60_000
COUNT = 70_000


@dataclass(frozen=True)
class Lists:
    """The file names and SHA-256 of a published pair of lists."""

    train: str
    train_sha256: str
    val: str
    val_sha256: str


TAMING = Lists(
    "ffhqtrain.txt",
    "a6553043bba837acbe540fd1e1703e1974823cd5a31d7489a9e0c8b783b6a5ec",
    "ffhqvalidation.txt",
    "c3644730c1182c9feacc1a3054df22c0fcc6fb46c7e294a9bdf5fe57f7d63a46",
)
"""The 60,000 / 10,000 lists of taming-transformers, which RQ-VAE ships too."""

BY_LIST = "the 60,000 / 10,000 lists of taming-transformers"
BY_NUMBER = (
    "by number, the first 60,000 for training, as FFHQ's README appoints; "
    "the lists of taming-transformers (ffhqtrain.txt, ffhqvalidation.txt) were not there"
)


def open_ffhq(request: DatasetRequest) -> Dataset:
    """FFHQ as it was prepared, or from ``request.path``; raises :class:`bench.errors.Missing` with what to get."""
    return prepared.named(request, lambda asked, path: build(asked, path, TAMING), remedy(request))


def remedy(request: DatasetRequest) -> str:
    """What to do where the data are not there: the licence does not let this program download them."""
    return "\n".join(
        (
            f"FFHQ is not prepared at {request.resolution} px with the protocol {request.protocol}, and its licence",
            "(CC BY-NC-SA 4.0, and each photograph's own) leaves the download to you. Get images1024x1024 (PNG) from",
            "  https://github.com/NVlabs/ffhq-dataset",
            f"put {TAMING.train} and {TAMING.val} of https://github.com/CompVis/taming-transformers/tree/master/data",
            "beside them (without, the split is by number and the result says so), and run",
            f"  python -m bench data prepare ffhq --from PATH --resolution {request.resolution} "
            f"--protocol {request.protocol}",
        )
    )


def build(request: DatasetRequest, path: Path, lists: Lists) -> Dataset:
    """Prepares FFHQ from a folder or zip whose image names end in the image's number, 0 to 69999."""
    source = files.open_path(path)
    by_number = {number(name): name for name in source.names}
    if len(by_number) != len(source.names):
        raise UsageError(f"{path} holds {len(source.names)} images of {len(by_number)} numbers; give one folder only.")
    found = _listed(path, lists)
    train, val = found if found is not None else _by_number(by_number)
    absent = sorted((train | val) - by_number.keys())
    if absent:
        raise UsageError(f"{path} lacks {len(absent)} images of the lists, the first is {absent[0]:05d}; complete it.")
    facts = {"images": len(source.names), "complete": len(source.names) == COUNT}
    splits = (_chosen(source, by_number, train, "train"), _chosen(source, by_number, val, "val"))
    rule = BY_LIST if found is not None else BY_NUMBER
    return prepare.dataset(request, "ffhq", *splits, split=rule, facts=facts)


def number(name: str) -> int:
    """The image's number: the digits that its name ends with (``00042.png``, ``img00000042.png``)."""
    digits = re.search(r"(\d+)$", PurePosixPath(name).stem)
    if digits is None:
        raise UsageError(f"'{name}' does not end in an image number as FFHQ's names do; use --dataset folder:PATH.")
    return int(digits[1])


def _listed(path: Path, lists: Lists) -> tuple[set[int], set[int]] | None:
    """The numbers of the two lists, looked for in the folder and beside it; None where they are not."""
    for folder in (path, path.parent):
        train, val = folder / lists.train, folder / lists.val
        if train.is_file() and val.is_file():
            return (
                {number(line) for line in prepare.pinned_lines(train, lists.train_sha256)},
                {number(line) for line in prepare.pinned_lines(val, lists.val_sha256)},
            )
    return None


def _by_number(by_number: dict[int, str]) -> tuple[set[int], set[int]]:
    train = {n for n in by_number if n < TRAINING}
    val = set(by_number) - train
    if not train or not val:
        raise UsageError(
            f"Without {TAMING.train} and {TAMING.val} the split is by number, and this is a part of FFHQ with "
            "images on one side of 60,000 only; add the lists or use --dataset folder:PATH."
        )
    return train, val


def _chosen(source: Members, by_number: dict[int, str], numbers: set[int], part: str) -> Members:
    return files.subset(source, (by_number[n] for n in sorted(numbers)), f"{part}{len(numbers)}")
