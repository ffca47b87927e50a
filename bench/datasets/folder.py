"""``folder:PATH`` and ``zip:PATH``: any folder or zip of images, with or without ``train/`` and ``val/``.

``testset:PATH`` is either of them without training images: a set such as Kodak's.
"""

from __future__ import annotations

from pathlib import Path

from bench import members, prepare
from bench.contract import UsageError
from bench.entries import Dataset, DatasetRequest

OWN_SPLIT = "the source's own train and val folders"
TEST_SET = "validation images only: every image of the source, or of its val folder"
VALIDATION_ONLY = "validation images only: the source has a val folder and no other"
FEWEST = 40
"""Images of which a tenth is worth holding out: precision and recall need four."""
TOO_FEW = f"validation images only: fewer than {FEWEST} images, and no train and val folders"


def open_folder(request: DatasetRequest) -> Dataset:
    """The images under the folder, or in the zip file, of ``request.path``.

    With ``train/`` and ``val/`` (or validation, valid, test) inside, those are the splits, and class folders within
    them give labels; with ``val/`` alone there is nothing to train on; otherwise a tenth of the images is held out by
    content digest. Fewer than 40 images are a test set (such as Kodak's) too. Raises
    :class:`bench.contract.UsageError` for a missing path and for a source without images.
    """
    source, label = _source(request)
    splits = members.train_and_val(source)
    if splits is not None:
        return prepare.dataset(request, label, *splits, split=OWN_SPLIT)
    held_out = members.only_val(source)
    if held_out is not None:
        return prepare.dataset(request, label, None, held_out, split=VALIDATION_ONLY)
    if len(source.names) < FEWEST:
        return prepare.dataset(request, label, None, members.subset(source, source.names, "val"), split=TOO_FEW)
    return prepare.dataset(request, label, *prepare.by_content(request, source), split=prepare.CONTENT_SPLIT)


def open_testset(request: DatasetRequest) -> Dataset:
    """Every image of the source as a validation image; of one with a validation folder, the images in that.

    Raises :class:`bench.contract.UsageError` for a missing path and for a source without images.
    """
    source, label = _source(request)
    splits = members.train_and_val(source)
    held_out = members.subset(source, source.names, "val") if splits is None else splits[1]
    return prepare.dataset(request, label, None, held_out, split=TEST_SET)


def _source(request: DatasetRequest) -> tuple[members.Members, str]:
    """The images at the request's path, and the dataset's name."""
    if not request.path:
        raise UsageError(f"'{request.name}' needs a path; write --dataset {request.name}:PATH.")
    path = Path(request.path).expanduser()
    return members.open_path(path), f"{request.name}:{path.resolve().name}"
