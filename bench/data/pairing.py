"""Which image of one set belongs to which of another, by file name: one to one, or not at all. No torch."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from bench.errors import UsageError

DIGITS = frozenset("0123456789")
SHOWN = 3
"""How many names of each side an error shows."""

Rule = Literal["path", "file name", "natural order"]
"""``path``: the relative path without suffix; ``file name``: its last part alone. Both in Unicode's form NFC."""


@dataclass(frozen=True)
class Pairing:
    """``order[i]`` is the position, in the candidate, of the image that belongs to image i of the reference."""

    rule: Rule
    order: tuple[int, ...]


def by_name(reference: Sequence[str], candidate: Sequence[str], among: Sequence[str] = ()) -> Pairing:
    """Pairs names that are equal but for suffix and Unicode form: whole paths, or else the files' bare names.

    The candidate may hold more files than the reference. ``among`` are all names of the set that the reference is a
    part of: a bare name that stands twice there is no key. Raises :class:`UsageError`, showing the first names of both
    sides, unless every image of the reference has exactly one file under one of the two rules.
    """
    rules: tuple[tuple[Rule, Callable[[str], str]], ...] = (("path", path_key), ("file name", _file_key))
    for rule, key in rules:
        order = _matched([key(name) for name in reference], [key(name) for name in candidate])
        if order is not None and len(set(map(key, among))) == len(among):
            return Pairing(rule, order)
    raise UsageError(f"{_trouble(reference, candidate)}.")


def by_order(reference: Sequence[str], candidate: Sequence[str]) -> Pairing:
    """Pairs two sets of equal length in the natural order of their paths, in which 2 comes before 10."""
    if len(reference) != len(candidate):
        raise UsageError(f"{len(reference)} images cannot be paired in order with {len(candidate)}; give equal counts.")
    order = [0] * len(reference)
    for one, other in zip(_sorted(reference), _sorted(candidate), strict=True):
        order[one] = other
    return Pairing("natural order", tuple(order))


def natural_key(name: str) -> tuple[tuple[str, int, str], ...]:
    """What sorts names so that numbers count by their value: ``2.png`` before ``10.png``."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", path_key(name))
    return tuple(_piece(piece.lstrip("0")) if piece[0] in DIGITS else (piece, 0, "") for piece in pieces)


def _piece(number: str) -> tuple[str, int, str]:
    """A number of any length without leading zeros, as what sorts by value."""
    return ("", len(number), number)


def path_key(name: str) -> str:
    """The path without suffix, in NFC."""
    return unicodedata.normalize("NFC", str(PurePosixPath(name).with_suffix("")))


def _file_key(name: str) -> str:
    return PurePosixPath(path_key(name)).name


def _sorted(names: Sequence[str]) -> list[int]:
    keys = [natural_key(name) for name in names]
    return sorted(range(len(names)), key=keys.__getitem__)


def _matched(reference: Sequence[str], candidate: Sequence[str]) -> tuple[int, ...] | None:
    """The position of each reference key in the candidate; None where one is absent, or stands twice on a side."""
    counts = Counter(candidate)
    place = {key: position for position, key in enumerate(candidate)}
    whole = len(set(reference)) == len(reference) and all(counts[key] == 1 for key in reference)
    return tuple(place[key] for key in reference) if whole else None


def _trouble(reference: Sequence[str], candidate: Sequence[str]) -> str:
    """What stands in the way of pairs, with the first names of each side."""
    shown = " against ".join(", ".join(f"'{name}'" for name in names[:SHOWN]) for names in (reference, candidate))
    for side, names in (("reference", reference), ("candidate", candidate)):
        double = next((key for key, count in Counter(map(path_key, names)).items() if count > 1), None)
        if double is not None:
            files = [name for name in names if path_key(name) == double]
            return f"the {side} holds {' and '.join(files[:SHOWN])}, which have one name; keep one of them ({shown})"
    there = set(map(_file_key, candidate))
    lacking = [name for name in reference if _file_key(name) not in there]
    if lacking:
        return (
            f"{len(lacking)} of {len(reference)} images of the reference have no file of their name, "
            f"for example {lacking[0]} ({shown}); name each file as its original"
        )
    return f"file names stand for several images ({shown}); name each file by the whole path of its original"
