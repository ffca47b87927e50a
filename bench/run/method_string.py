"""The one parser of method strings: ``name[:variant][@weights][:k=v,...]``.

The canonical print is row label and, escaped, folder name. The first bare word after ``:`` is the variant. In a
comma-separated list a piece of the form ``k=v`` continues the method before it. Methods that take the rest
(``samples:``, ``recons:``, ``diffusers:``) take everything after the first ``:`` as their variant, verbatim.
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


def parse_list(texts: Sequence[str], greedy: Collection[str]) -> list[Method]:
    """The methods of repeated, comma-separated ``--methods`` values, sweeps expanded.

    ``greedy`` names the methods that take the rest of their string verbatim, commas included.
    Raises :class:`UsageError` for a malformed string and for a label that occurs twice.
    """
    written = [_parse(piece, greedy) for text in texts for piece in _split(text, greedy)]
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


def _split(text: str, greedy: Collection[str]) -> list[str]:
    if text.partition(":")[0].strip() in greedy:
        return [text.strip()]
    pieces: list[str] = []
    for raw in _comma_separated(text):
        piece = raw.strip()
        if not piece:
            continue
        if _OPTION.fullmatch(piece) and ":" not in piece and pieces:
            pieces[-1] += ("," if _without_options(pieces[-1])[1] else ":") + piece
        else:
            pieces.append(piece)
    return pieces


def _comma_separated(text: str) -> Iterator[str]:
    """The pieces between commas, but for commas within the path of a file that exists."""
    rest = text
    while rest:
        before, at, after = rest.partition("@")
        path = _existing(after) if "," not in before else ""
        end = rest.find(",", len(before) + len(at) + len(path) if path else 0)
        yield rest if end < 0 else rest[:end]
        rest = "" if end < 0 else rest[end + 1 :]


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
