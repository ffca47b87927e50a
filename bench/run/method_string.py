"""The one parser of method strings: ``name[:variant][@weights][:k=v,...]``.

The canonical print is row label and, escaped, folder name. The first bare word after ``:`` is the variant. In a
comma-separated list a piece of the form ``k=v`` continues the method before it, and ``all`` stands for every method
that needs no path. Methods that take the rest (``samples:``, ``recons:``, ``diffusers:``) take what follows the first
``:`` as their variant, verbatim: up to the last comma that a file or folder stands before, else to one before a method.
What follows ``@`` is first tried as the path of a file or folder, commas, colons and ``=`` included.
``jpeg:q=5..95`` sweeps: a range ``A..B[..STEP]`` (step 10 where none is given) stands for one method per value.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from bench.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_OPTION = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_SWEEP = re.compile(r"(-?\d{1,15})\.\.(-?\d{1,15})(?:\.\.(\d{1,15}))?")
DEFAULT_STEP = 10
ALL = "all"
MOST_METHODS = 1000
"""Rows of one run; a sweep that makes more is a slip of the pen."""


@dataclass(frozen=True)
class Method:
    """A parsed method string. ``options`` are sorted by name, values as written."""

    name: str
    variant: str | None = None
    weights: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """The canonical print: ``name:variant@weights:k=v,k=v``."""
        text = self.name
        if self.variant is not None:
            text += f":{self.variant}"
        if self.weights is not None:
            text += f"@{self.weights}"
        if self.options:
            text += ":" + ",".join(f"{k}={v}" for k, v in self.options)
        return text


def parse_list(texts: Sequence[str], greedy: Collection[str], known: Sequence[str] = ()) -> list[Method]:
    """The methods of repeated, comma-separated ``--methods`` values, sweeps expanded.

    ``greedy`` names the methods that take the rest of their string verbatim, commas included; ``known`` all there are.
    Raises :class:`UsageError` for a malformed string and for a label that occurs twice.
    """
    pieces = [piece for text in texts for piece in _split(text, greedy, known)]
    every = [] if ALL in known else [name for name in known if name not in greedy]
    named = [name for piece in pieces for name in (every if piece == ALL and every else [piece])]
    written = [_parse(piece, greedy) for piece in named]
    count = sum(math.prod(len(_values(key, value)) for key, value in method.options) for method in written)
    if count > MOST_METHODS:
        raise UsageError(f"The methods are {count:,} rows, more than {MOST_METHODS:,}; sweep in larger steps.")
    methods = [expanded for method in written for expanded in _expand(method)]
    if not methods:
        raise UsageError("No method is named; give at least one, for example --methods downsample.")
    labels = [m.label for m in methods]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"The method '{label}' is named twice; every row needs a label of its own.")
    return methods


def _split(text: str, greedy: Collection[str], known: Collection[str]) -> list[str]:
    pieces: list[str] = []
    for raw in _comma_separated(text, greedy, known):
        piece = raw.strip()
        if not piece:
            continue
        if _OPTION.fullmatch(piece) and ":" not in piece and pieces:
            pieces[-1] += ("," if _without_options(pieces[-1])[1] else ":") + piece
        else:
            pieces.append(piece)
    return pieces


def _comma_separated(text: str, greedy: Collection[str], known: Collection[str]) -> Iterator[str]:
    """The pieces between commas, but for commas within a path."""
    rest = text
    while rest:
        name, _, variant = rest.partition(":")
        if name.strip() in greedy:
            end = len(rest) - len(variant) + _end_of_variant(variant, known)
            yield rest[:end]
            rest = rest[end + 1 :]
            continue
        before, at, after = rest.partition("@")
        path = _existing(after) if "," not in before else ""
        end = rest.find(",", len(before) + len(at) + len(path) if path else 0)
        yield rest if end < 0 else rest[:end]
        rest = "" if end < 0 else rest[end + 1 :]


def _end_of_variant(text: str, known: Collection[str]) -> int:
    """Where a variant that is a path, or ``NAME=PATH``, ends: at a comma behind what exists, or before a method."""
    start = text.find("=") + 1 if _OPTION.fullmatch(text) else 0
    ends = [len(text), *(match.start() for match in re.finditer(",", text))]
    for end in sorted(ends, reverse=True):
        if text[start:end].strip() and os.path.exists(os.path.expanduser(text[start:end].strip())):
            return end
    following = {end: re.split("[:@,]", text[end + 1 :])[0].strip() for end in ends[1:]}
    return next((end for end in ends[1:] if following[end] in known), len(text))


def _existing(text: str) -> str:
    """The longest beginning of the text, up to its end, a comma or a colon, that is a file or folder; "" for none."""
    ends = sorted({len(text), *(match.start() for match in re.finditer("[,:]", text))}, reverse=True)
    beginnings = (text[:end].rstrip() for end in ends if end)
    return next((path for path in beginnings if path and os.path.exists(os.path.expanduser(path))), "")


def _parse(text: str, greedy: Collection[str]) -> Method:
    name, _, rest = text.partition(":")
    if name.strip() in greedy:
        return Method(name.strip(), variant=rest or None)
    before, at, after = text.partition("@")
    path = _existing(after)
    head, options = _without_options(before + at + after[len(path) :] if path else text)
    head, at, weights = head.partition("@")
    weights = path + weights
    name, colon, variant = head.partition(":")
    if not _NAME.fullmatch(name) or (colon and not variant) or (at and not weights) or ":" in variant:
        raise UsageError(f"'{text}' is not a method; write name[:variant][@weights][:k=v,...].")
    return Method(name, variant or None, weights or None, tuple(sorted(options.items())))


def _without_options(text: str) -> tuple[str, dict[str, str]]:
    """Splits ``head:k=v,k=v`` at the colon that begins the options, if there are any."""
    match = re.search(r":(?=[A-Za-z_][A-Za-z0-9_]*=)", text)
    if not match:
        return text, {}
    options: dict[str, str] = {}
    for piece in text[match.end() :].split(","):
        found = _OPTION.fullmatch(piece.strip())
        if not found or found[1] in options:
            raise UsageError(f"'{piece}' in '{text}' is not an option k=v given once.")
        options[found[1]] = found[2]
    return text[: match.start()], options


def _expand(method: Method) -> list[Method]:
    """One method for every combination of the values that its options sweep."""
    keys = [key for key, _ in method.options]
    combinations = itertools.product(*(_values(key, value) for key, value in method.options))
    return [replace(method, options=tuple(zip(keys, map(str, values), strict=True))) for values in combinations]


def _values(key: str, value: str) -> Sequence[int | str]:
    """What an option's text stands for: the numbers of a sweep, or the text itself."""
    sweep = _SWEEP.fullmatch(value)
    if not sweep:
        return [value]
    first, last, step = int(sweep[1]), int(sweep[2]), int(sweep[3] or DEFAULT_STEP)
    if last < first or step < 1:
        raise UsageError(f"The sweep '{key}={value}' is empty; write {key}=LOW..HIGH[..STEP].")
    return range(first, last + 1, step)
