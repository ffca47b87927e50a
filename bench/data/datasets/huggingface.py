"""``hf:REPO``: a dataset of the Hugging Face hub or a local folder in one of its layouts, through ``datasets``."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.core import digest
from bench.core.files import expanded, identity
from bench.core.images import BadImage
from bench.data import prepare
from bench.data.dataset import Dataset, DatasetRequest
from bench.data.readers.files import Members
from bench.data.readers.splits import VALIDATION_NAMES
from bench.errors import Missing, UsageError

OWN_SPLIT = "the dataset's own splits"


def open_hf(request: DatasetRequest) -> Dataset:
    """The dataset ``REPO``, ``REPO@REVISION`` or a local folder: its train and validation (or test) splits.

    The first column of images is read, as encoded, and the first class column gives labels. With ``offline`` the hub
    is not asked; what its cache does not hold raises :class:`bench.errors.Missing`.
    """
    name = request.path or ""
    splits = _load(request, name)
    label = f"hf:{Path(name).name if Path(name).exists() else name}"
    revision = {"revision": name.partition("@")[2] or "not pinned"} if not Path(name).exists() else {}
    val = next((part for part in VALIDATION_NAMES if part in splits), None)
    if "train" in splits and val is not None:
        pair = (_members(splits["train"], f"{name} train"), _members(splits[val], f"{name} {val}"))
        return prepare.dataset(request, label, *pair, split=f"{OWN_SPLIT} train and {val}", facts=revision)
    only = next(iter(splits))
    pair = prepare.by_content(request, _members(splits[only], f"{name} {only}"))
    return prepare.dataset(request, label, *pair, split=prepare.CONTENT_SPLIT, facts={"from": only, **revision})


def _load(request: DatasetRequest, name: str) -> dict[str, Any]:
    datasets = _library(request.offline)
    repository, _, revision = name.partition("@")
    local = expanded(name)
    try:
        if local.is_dir() and any((local / file).is_file() for file in ("dataset_dict.json", "state.json")):
            found = datasets.load_from_disk(str(local))
        elif local.exists():
            found = datasets.load_dataset(str(local), cache_dir=str(request.cache / "huggingface"))
        else:
            found = datasets.load_dataset(
                repository, revision=revision or None, cache_dir=str(request.cache / "huggingface")
            )
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        how = "the network is off (--offline); run it once online" if request.offline else "check the name"
        raise Missing(f"The Hugging Face dataset '{name}' cannot be opened ({reason}); {how}.") from error
    return dict(found) if isinstance(found, dict) else {"train": found}


def _members(split: Any, origin: str) -> Members:
    """The images of one split as members named by their number."""
    datasets = _library(offline=False)
    column = next((key for key, kind in split.features.items() if isinstance(kind, datasets.Image)), None)
    if column is None:
        raise UsageError(f"{origin} has no column of images, but {', '.join(split.features)}.")
    encoded = split.cast_column(column, datasets.Image(decode=False))
    names = tuple(f"{i:08d}" for i in range(len(split)))

    def read(name: str) -> bytes:
        cell = encoded[int(name)][column]
        if cell is None or (cell["bytes"] is None and cell["path"] is None):
            raise BadImage(f"Image {name} of {origin} is empty; remove the row.")
        try:
            return bytes(cell["bytes"]) if cell["bytes"] is not None else Path(cell["path"]).read_bytes()
        except OSError as error:
            raise BadImage(f"Image {name} of {origin}, {cell['path']}, cannot be read ({error.strerror}).") from error

    classes = next((key for key, kind in split.features.items() if isinstance(kind, datasets.ClassLabel)), None)
    labels = None if classes is None else dict(zip(names, (int(v) for v in split[classes]), strict=True))
    known = () if classes is None else tuple(split.features[classes].names)
    return Members(origin, names, _stamp(encoded, column), read, labels=labels, classes=known)


def _stamp(encoded: Any, column: str) -> str:
    """Changes when the split's Arrow files change, or the image files that they point to."""
    files = [Path(file["filename"]) for file in encoded.cache_files]
    if len(encoded) and encoded[0][column]["bytes"] is None:
        files += [Path(row[column]["path"]) for row in encoded]
    facts = [(str(file), identity(file.stat())) for file in files]
    return digest.of_value(["hf", str(encoded.split), len(encoded), facts])


def _library(offline: bool) -> ModuleType:
    if offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    try:
        import datasets
    except ImportError as error:
        raise Missing("hf: needs the package datasets; run: pip install 'image-tokenizer-bench[hf]'.") from error
    library: ModuleType = datasets
    return library
