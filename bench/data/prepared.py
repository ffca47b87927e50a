"""What was prepared under a dataset's name: which frozen sets, at which resolution and protocol, from where.

A dataset with a name (church, ffhq, ...) is prepared once, explicitly; a run then opens the frozen sets without the
source. Where another resolution is wanted and the source is still there, it is prepared from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.core.files import expanded, explained, folder_name, write_bytes
from bench.data import frozen, mixed, prepare
from bench.data.dataset import Dataset, DatasetRequest
from bench.errors import IntegrityError, Missing

Build = Callable[[DatasetRequest, Path], Dataset]


def named(request: DatasetRequest, build: Build, remedy: str) -> Dataset:
    """The dataset as it was prepared, or prepared now from ``request.path`` or from where it was last prepared.

    Where the request says ``verify``, the source is read again if it is still there.
    Raises :class:`bench.errors.Missing` with ``remedy`` where there is neither.
    """
    path = expanded(request.path) if request.path else last_source(request)
    if request.path is None and not (request.verify and path is not None):
        known = recall(request)
        if known is not None:
            return known
    if path is None:
        raise Missing(remedy)
    if not path.exists():
        raise Missing(f"There is no {path}. {remedy}")
    dataset = build(request, path)
    remember(request.cache, dataset, path)
    return dataset


def remember(cache: Path, dataset: Dataset, source: Path | None = None) -> None:
    """Notes what was prepared, and from where; without ``source`` an earlier note of it is kept."""
    file = _file(cache, dataset.name, dataset.resolution, dataset.protocol)
    before = _read(file) or {}
    entry = {
        "name": dataset.name,
        "resolution": dataset.resolution,
        "protocol": dataset.protocol,
        "train": _set_name(dataset.train) if dataset.train is not None else None,
        "val": _set_name(dataset.val),
        "facts": dict(dataset.facts),
        **({"cropped_val": _set_name(dataset.cropped_val)} if dataset.cropped_val is not None else {}),
        "source": str(source.resolve()) if source is not None else before.get("source"),
    }
    with explained(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, json.dumps(entry, indent=1).encode())


def recall(request: DatasetRequest) -> Dataset | None:
    """The dataset as it was prepared before; None where it was not, or where its frozen sets are gone or damaged.

    None too where other code prepared it and its source is still there to be prepared again.
    """
    entry = _read(_file(request.cache, request.name, request.resolution, request.protocol))
    if entry is None:
        return None
    try:
        val = mixed.open_images(request.cache / "sets" / entry["val"])
        train = frozen.open_frozen(request.cache / "sets" / entry["train"]) if entry["train"] else None
        name = entry.get("cropped_val")
        cropped_val = frozen.open_frozen(request.cache / "sets" / name) if name else None
    except (IntegrityError, KeyError, TypeError):
        return None
    splits = [split for split in (train, val, cropped_val) if split is not None]
    for split in splits:
        prepare.check_bad(request, split)
    facts = entry["facts"]
    made_from = [split.manifest["made_from"] for split in splits]
    if any(made.get("code") != prepare.code(made.get("modules", ())) for made in made_from):
        if last_source(request) is not None:
            return None
        facts = {**facts, "prepared_by": "other code than that of this version, and the source is gone"}
    return Dataset(entry["name"], entry["resolution"], entry["protocol"], train, val, facts, cropped_val)


def last_source(request: DatasetRequest) -> Path | None:
    """Where the dataset was last prepared from, whatever the resolution, if that still exists."""
    folder = _file(request.cache, request.name, 0, "").parent
    files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    sources = [Path(entry["source"]) for file in files if (entry := _read(file)) is not None and entry["source"]]
    return next((source for source in sources if source.exists()), None)


def entries(cache: Path) -> Iterator[dict[str, Any]]:
    """Everything that was prepared by name, for ``data list``."""
    for file in sorted((cache / "prepared").glob("*/*.json")):
        entry = _read(file)
        if entry is not None:
            yield entry


def _file(cache: Path, name: str, resolution: int, protocol: str) -> Path:
    return cache / "prepared" / folder_name(name) / f"{resolution}-{folder_name(protocol)}.json"


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _set_name(images: Any) -> str:
    folder: Path = images.folder
    return folder.name
