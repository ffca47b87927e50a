"""Which images of a source are for training and which for validation, as its folders are named, and its classes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from bench.data.readers.files import Members, subset
from bench.errors import UsageError

TRAIN_NAMES = ("train", "training")
VALIDATION_NAMES = ("val", "validation", "valid", "test", "testing")
"""The usual names, first the one that is taken first; in any case, with a year (``train2017``), "images" or "set"."""

_YEAR = re.compile(r"(?<=[a-z])[-_ .]?(19|20)\d\d$")
_FILLERS = frozenset(("images", "image", "imgs", "img", "set", "split", "data"))


def usual(name: str) -> str | None:
    """The split that a folder or a shard is named after, of :data:`TRAIN_NAMES` and :data:`VALIDATION_NAMES`."""
    words = [word for word in re.split(r"[-_ .]+", _YEAR.sub("", name.lower())) if word not in _FILLERS]
    word = words[0].removesuffix("set") if len(words) == 1 else ""
    return word if word in TRAIN_NAMES or word in VALIDATION_NAMES else None


def train_and_val(members: Members) -> tuple[Members, Members] | None:
    """The two splits of a source with folders for training and validation (or test), else None.

    One common folder around everything is looked through. In such a source the folders within the training folder are
    classes, numbered in the order of their names, when every training image lies in one. Images outside the two
    folders are counted as left out. Raises :class:`UsageError` where several folders are meant for one split.
    """
    by_top, inside = _by_top(members)
    train = _one_of(members, by_top, TRAIN_NAMES)
    val = _one_of(members, by_top, VALIDATION_NAMES)
    if train is None or val is None:
        return None
    others = {f"{top}/" if top else "beside the folders": len(by_top[top]) for top in by_top.keys() - {train, val}}
    members = replace(members, left_out={**members.left_out, **others})
    classes = _classes(by_top[train], inside + 1) if members.labels is None else ()
    return (
        _labelled(subset(members, by_top[train], "train"), classes, inside + 1),
        _labelled(subset(members, by_top[val], usual(val) or val), classes, inside + 1),
    )


def only_val(members: Members) -> Members | None:
    """All images of a source that has a folder for validation (or test) and nothing else, else None."""
    tops = list(_by_top(members)[0])
    return subset(members, members.names, "val") if len(tops) == 1 and usual(tops[0]) in VALIDATION_NAMES else None


def _by_top(members: Members) -> tuple[dict[str, list[str]], int]:
    """The names by the folder that they lie in, and how deep that folder is; "" for images in none."""
    inside = len(_common_folder(members.names))
    found: dict[str, list[str]] = {}
    for name in members.names:
        parts = PurePosixPath(name).parts
        found.setdefault(parts[inside] if len(parts) > inside + 1 else "", []).append(name)
    return found, inside


def _one_of(members: Members, folders: Iterable[str], names: tuple[str, ...]) -> str | None:
    """The folder with the first of the names that any has."""
    for name in names:
        found = sorted(folder for folder in folders if usual(folder) == name)
        if len(found) > 1:
            raise UsageError(
                f"{members.origin} has several folders for one split ({', '.join(found)}); give a folder that holds "
                "one for training and one for validation."
            )
        if found:
            return found[0]
    return None


def _common_folder(names: Iterable[str]) -> tuple[str, ...]:
    """The folder that holds everything, unless it is itself a split."""
    tops = {PurePosixPath(name).parts[:-1][:1] for name in names}
    top = tops.pop() if len(tops) == 1 else ()
    return () if top and usual(top[0]) else top


def _classes(names: Iterable[str], depth: int) -> tuple[str, ...]:
    parts = [PurePosixPath(name).parts for name in names]
    return tuple(sorted({p[depth] for p in parts})) if all(len(p) > depth + 1 for p in parts) else ()


def _labelled(members: Members, classes: tuple[str, ...], depth: int) -> Members:
    """With the folder names as labels, where all images of this split lie in folders of known classes."""
    if not classes:
        return members
    number = {name: i for i, name in enumerate(classes)}
    labels = {}
    for name in members.names:
        parts = PurePosixPath(name).parts
        if len(parts) <= depth + 1 or parts[depth] not in number:
            return members
        labels[name] = number[parts[depth]]
    return replace(members, labels=labels, classes=classes)
