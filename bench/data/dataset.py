"""What a dataset is: its row, what is asked of it, and what it gives. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.core import registry
from bench.core.images import ImageArray
from bench.core.progress import Progress, silent
from bench.data.sized import Images
from bench.errors import UsageError


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset: frozen training and validation images, and what a reader must know about them.

    ``protocol`` names crop and resize; ``facts`` goes into the result (source digests, split rule, bad files,
    duplicates between the splits, source encoding). Under the protocol ``native`` the images of ``val`` have their own
    sizes; those of ``train`` are cropped to ``resolution`` all the same, by the dataset's own protocol, and so are the
    validation images again in ``cropped_val``, where there is a training split.
    """

    name: str
    resolution: int
    protocol: str
    train: ImageArray | None
    val: Images
    facts: Mapping[str, Any]
    cropped_val: ImageArray | None = None


@dataclass(frozen=True)
class DatasetEntry:
    """One row of ``bench.data.datasets.DATASETS``.

    ``open(request) -> Dataset`` with :class:`DatasetRequest`; raises :class:`bench.errors.Missing` with the remedy.
    ``download(request, progress) -> Path`` brings the source into the cache, where its licence allows that.
    ``takes_path``: written ``name:PATH`` on the command line. ``protocol`` is the default data protocol.
    """

    name: str
    title: str
    open: str
    download: str | None = None
    takes_path: bool = False
    protocol: str = "ldm"
    aliases: tuple[str, ...] = ()


BadImages = Literal["skip", "fail"]
"""What is done with an image that is unreadable or too small."""


def bad_images(text: str) -> BadImages:
    """What ``--on-bad`` says; raises :class:`UsageError` for another word."""
    if text == "skip":
        return "skip"
    if text == "fail":
        return "fail"
    raise UsageError(f"--on-bad is skip or fail, not '{text}'.")


@dataclass(frozen=True)
class DatasetRequest:
    """What the command line asks of a dataset. ``progress`` shows how far its preparation is.

    ``verify`` reads every source file again, whatever is remembered of its digest. ``crop`` is the protocol by which
    images of one size are made where ``protocol`` is native and crops none.
    """

    name: str
    path: str | None
    resolution: int
    protocol: str
    cache: Path
    offline: bool = False
    on_bad: BadImages = "skip"
    workers: int = 2
    progress: Progress = silent
    verify: bool = False
    crop: str = "ldm"


def dataset_of(text: str, table: Mapping[str, DatasetEntry]) -> tuple[DatasetEntry, str | None]:
    """The entry and path of ``name`` or ``name:PATH``, aliases included."""
    name, colon, path = text.partition(":")
    if text.startswith(("/", "./", "../", "~")):
        raise UsageError(f"'{text}' is a path, not a dataset; write --dataset 'folder:{text}' for images of your own.")
    names = {alias: entry for entry in table.values() for alias in (entry.name, *entry.aliases)}
    if "," in name:
        raise UsageError(f"'{text}' names several datasets; a run takes one: run once for each, into the same --out.")
    entry = registry.lookup(names, name, "dataset")
    if entry.takes_path != bool(path):
        form = f"{name}:PATH" if entry.takes_path else name
        raise UsageError(f"The dataset is written '{form}', not '{text}'.")
    return entry, path if colon else None
