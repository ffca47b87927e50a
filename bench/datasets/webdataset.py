"""``wds:PATTERN``: WebDataset shards; a folder with ``train*.tar`` and ``val*.tar``, or any (split by content)."""

from __future__ import annotations

from pathlib import Path

from bench import prepare, tars
from bench.entries import Dataset, DatasetRequest

OWN_SPLIT = "the shards named train*.tar and val*.tar"


def open_webdataset(request: DatasetRequest) -> Dataset:
    """The images of the shards that ``request.path`` names; labels (``.cls``) are kept."""
    paths = tars.shards(request.path or "")
    label = f"wds:{Path(request.path or '').name}"
    train = [path for path in paths if path.name.startswith("train")]
    val = [path for path in paths if path.name.startswith("val")]
    if train and val:
        return prepare.dataset(request, label, tars.opened(train), tars.opened(val), split=OWN_SPLIT)
    splits = prepare.by_content(request, tars.opened(paths))
    return prepare.dataset(request, label, *splits, split=prepare.CONTENT_SPLIT)
