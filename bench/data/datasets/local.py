"""Images on this machine, in any layout: folders and archives, batches of arrays, shards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.core.files import expanded
from bench.data import prepare
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers import files, npz, splits, tar
from bench.errors import Missing, UsageError

OWN_SPLIT = "the source's own train and val folders"
TEST_SET = "validation images only: every image of the source, or of its val folder"
VALIDATION_ONLY = "validation images only: the source has a val folder and no other"
FEWEST = 40
"""Images of which a tenth is worth holding out: precision and recall need four."""
TOO_FEW = f"validation images only: fewer than {FEWEST} images, and no train and val folders"

NPZ_SPLIT = "the files train.npz and val.npz"

_LETTERS = re.compile(r"(?<=[A-Za-z])[^A-Za-z].*")
"""What follows the first letters of a shard's name."""

SHARDS_SPLIT = "the shards named after training and validation (or test)"


def open_folder(request: DatasetRequest) -> Dataset:
    """The images under the folder, or in the zip file, of ``request.path``.

    With ``train/`` and ``val/`` (or validation, valid, test) inside, those are the splits, and class folders within
    them give labels; with ``val/`` alone there is nothing to train on; otherwise a tenth of the images is held out by
    content digest. Fewer than 40 images are a test set (such as Kodak's) too. Raises
    :class:`bench.errors.UsageError` for a missing path and for a source without images.
    """
    source, label = _source(request)
    pair = splits.train_and_val(source)
    if pair is not None:
        return prepare.dataset(request, label, *pair, split=OWN_SPLIT)
    held_out = splits.only_val(source)
    if held_out is not None:
        return prepare.dataset(request, label, None, held_out, split=VALIDATION_ONLY)
    if len(source.names) < FEWEST:
        return prepare.dataset(request, label, None, files.subset(source, source.names, "val"), split=TOO_FEW)
    return prepare.dataset(request, label, *prepare.by_content(request, source), split=prepare.CONTENT_SPLIT)


def open_testset(request: DatasetRequest) -> Dataset:
    """Every image of the source as a validation image; of one with a validation folder, the images in that.

    Raises :class:`bench.errors.UsageError` for a missing path and for a source without images.
    """
    source, label = _source(request)
    pair = splits.train_and_val(source)
    held_out = files.subset(source, source.names, "val") if pair is None else pair[1]
    return prepare.dataset(request, label, None, held_out, split=TEST_SET)


def _source(request: DatasetRequest) -> tuple[files.Members, str]:
    """The images at the request's path, and the dataset's name."""
    if not request.path:
        raise UsageError(f"'{request.name}' needs a path; write --dataset {request.name}:PATH.")
    path = expanded(request.path)
    return files.open_path(path), f"{request.name}:{path.resolve().name}"


def open_npz(request: DatasetRequest) -> Dataset:
    """The images of a batch file, a tenth held out by content, or of two files; labels are kept."""
    path = expanded(request.path or "")
    label = f"npz:{path.resolve().name}"
    if path.is_dir():
        train, val = path / "train.npz", path / "val.npz"
        absent = [file.name for file in (train, val) if not file.is_file()]
        if absent:
            raise Missing(f"{path} lacks {' and '.join(absent)}; a folder of batches holds train.npz and val.npz.")
        return prepare.dataset(request, label, npz.opened(train), npz.opened(val), split=NPZ_SPLIT)
    if not path.is_file():
        raise Missing(f"There is no batch {path}; check the path.")
    pair = prepare.by_content(request, npz.opened(path))
    return prepare.dataset(request, label, *pair, split=prepare.CONTENT_SPLIT)


def open_webdataset(request: DatasetRequest) -> Dataset:
    """The images of the shards that ``request.path`` names; labels (``.cls``) are kept."""
    paths = tar.shards(request.path or "")
    label = f"wds:{Path(request.path or '').name}"
    train, val = (_shards(paths, names) for names in (splits.TRAIN_NAMES, splits.VALIDATION_NAMES))
    if train and val:
        others = len(paths) - len(train) - len(val)
        held_out = tar.opened(val)
        said = {**held_out.left_out, "shards of other names": others} if others else held_out.left_out
        return prepare.dataset(request, label, tar.opened(train), replace(held_out, left_out=said), split=SHARDS_SPLIT)
    pair = prepare.by_content(request, tar.opened(paths))
    return prepare.dataset(request, label, *pair, split=prepare.CONTENT_SPLIT)


def _shards(paths: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """The shards whose names begin with the first of the names that any begins with, in any case."""
    for name in names:
        found = [path for path in paths if splits.usual(_LETTERS.sub("", path.name)) == name]
        if found:
            return found
    return []
