"""What a page says first of every comparison: who is best at what, and quality against rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from bench.report.columns import COMPARED
from bench.report.labels import natural
from bench.report.styles import SWEEP, Style, Styles, sweeps
from bench.report.table import Column, Row, Table

KINDS: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("Quality", (("psnr",), COMPARED[2], COMPARED[3])),
    ("Rate", (("bits-per-pixel",),)),
    ("Cost", (("decoder-parameters",), ("decoder-gmac",), ("decode-images-per-second",))),
)
"""What "best" is said of: of each group the first measurement that there is."""
WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 12, 44
"""Size of the scatter's view box and its margins."""


@dataclass(frozen=True)
class Best:
    """The best rows of one column."""

    column: str
    methods: str
    number: str


@dataclass(frozen=True)
class Dot:
    """A row in the scatter, in units of the view box; ``said`` is shown when it is pointed at."""

    x: float
    y: float
    said: str
    style: Style


@dataclass(frozen=True)
class Scatter:
    """Quality against rate: dots, the lines that join sweeps, and ticks with their positions."""

    dots: tuple[Dot, ...]
    lines: tuple[tuple[str, str], ...]
    xticks: tuple[tuple[float, str], ...]
    yticks: tuple[tuple[float, str], ...]
    x: str
    y: str
    families: tuple[Style, ...]


@dataclass(frozen=True)
class Summary:
    """The head of the page for one comparison table."""

    key: str
    caption: str
    best: tuple[tuple[str, tuple[Best, ...]], ...]
    scatter: Scatter | None


def summary(table: Table, caption: str, look: Styles) -> Summary:
    """The best of each kind, and the scatter where two rows or more have PSNR and bits per pixel."""
    kinds = [(kind, tuple(b for group in groups if (b := _best(table, group)))) for kind, groups in KINDS]
    return Summary(table.key, caption, tuple((kind, found) for kind, found in kinds if found), _scatter(table, look))


def _find(table: Table, patterns: Sequence[str]) -> int | None:
    names = [column.name for column in table.columns]
    return next((names.index(name) for name in patterns if name in names), None)


def _best(table: Table, patterns: Sequence[str]) -> Best | None:
    index = _find(table, patterns)
    if index is None:
        return None
    rows = [row for row in table.rows if row.cells[index].mark == "best"]
    if not rows:
        return None
    column = table.columns[index]
    unit = f" {column.unit}" if column.unit else ""
    return Best(column.title, ", ".join(row.shown for row in rows), rows[0].cells[index].text + unit)


def _scatter(table: Table, look: Styles) -> Scatter | None:
    x, y = _find(table, ("bits-per-pixel",)), _find(table, ("psnr",))
    if x is None or y is None:
        return None
    found = [
        (row, rate, quality)
        for row in table.rows
        if (rate := row.cells[x].value) and (quality := row.cells[y].value) is not None and row.cells[y].comparable
    ]
    if len(found) < 2:
        return None
    found.sort(key=lambda item: natural(item[0].label))
    xs, ys = [log10(rate) for _, rate, _ in found], [quality for *_, quality in found]
    across, up = _scale(xs, LEFT, WIDTH - RIGHT), _scale(ys, HEIGHT - BOTTOM, TOP)
    dots = [
        Dot(across.at(log10(rate)), up.at(quality), _said(row, table.columns, x, y), look[row.label])
        for row, rate, quality in found
    ]
    families = {dot.style.family: dot.style for dot in dots}
    lines = []
    by_label = {row.label: dot for (row, *_), dot in zip(found, dots, strict=True)}
    for members in sweeps(by_label):
        if len(members) >= SWEEP:
            joined = sorted((by_label[label] for label in members), key=lambda dot: dot.x)
            lines.append((" ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in joined), joined[0].style.colour))
    return Scatter(
        tuple(dots),
        tuple(lines),
        tuple((across.at(log10(value)), f"{value:g}") for value in _decades(10**across.low, 10**across.high)),
        tuple((up.at(value), f"{value:g}") for value in _even(up.low, up.high)),
        table.columns[x].title,
        f"{table.columns[y].title} ({table.columns[y].unit})",
        tuple(families.values()),
    )


@dataclass(frozen=True)
class _Scale:
    """From numbers between ``low`` and ``high`` to the view box."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a number stands."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _scale(values: Sequence[float], start: float, end: float) -> _Scale:
    """A scale with a twelfth of the range to spare at both ends."""
    low, high = min(values), max(values)
    spare = (high - low) / 12 or 0.5
    return _Scale(low - spare, high + spare, start, end)


def _said(row: Row, columns: Sequence[Column], *shown: int) -> str:
    numbers = [f"{columns[i].title} {row.cells[i].text} {columns[i].unit}".strip() for i in shown]
    return f"{row.shown}: {', '.join(numbers)}"


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two numbers."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    return [f * 10.0**p for p in powers for f in (1, 2, 5) if low <= f * 10.0**p <= high]


def _even(low: float, high: float) -> list[float]:
    """Four to nine even ticks between two numbers."""
    rough = (high - low) / 5
    step = min((f * 10.0 ** floor(log10(rough)) for f in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
    first = ceil(low / step)
    return [round(k * step, 10) for k in range(first, floor(high / step) + 1)]
