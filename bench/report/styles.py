"""One colour and one marker for every family of methods, from figure to figure and on the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.report.labels import natural
from bench.report.rows import name_of

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
"""Okabe and Ito's palette, told apart with the common colour-vision deficiencies."""
MARKERS = "osD^vP*X"
DASHES = ("-", "--", ":", "-.")


SWEEP = 3
"""Rows that differ in one number, from which on a line joins them."""


def sweep_of(label: str) -> str:
    """The name of the sweep that a row may belong to: its label without the numbers of its options."""
    return re.sub(r"=-?\d+(\.\d+)?(?=,|$)", "=#", label)


def sweeps(labels: Iterable[str]) -> list[list[str]]:
    """The labels that make a sweep together, each in the order of its numbers, and every other label alone."""
    found: dict[str, list[str]] = {}
    for label in sorted(labels, key=natural):
        found.setdefault(sweep_of(label), []).append(label)
    made: list[list[str]] = []
    for members in found.values():
        made += [members] if len(members) >= SWEEP else [[label] for label in members]
    return made


@dataclass(frozen=True)
class Style:
    """How one method is drawn: the members of a family differ in the dashes of their lines."""

    colour: str
    marker: str
    dashes: str
    family: str


Styles = Mapping[str, Style]


def styles(labels: Sequence[str]) -> dict[str, Style]:
    """The style of every label; the order of the labels does not matter.

    More families than colours take the same colours again with other markers.
    """
    families: dict[str, list[str]] = {}
    for label in sorted(set(labels), key=natural):
        families.setdefault(name_of(label), []).append(label)
    made = {}
    for index, (family, members) in enumerate(families.items()):
        colour = COLOURS[index % len(COLOURS)]
        marker = MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]
        for number, label in enumerate(members):
            made[label] = Style(colour, marker, DASHES[number % len(DASHES)], family)
    return made
