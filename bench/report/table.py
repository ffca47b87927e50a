"""What a table is, before any format: rows, columns, cells, marks and footnotes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from bench.core.files import plain_name
from bench.results.record import Measurement, Result, Signature

Mark = Literal["best", "second", ""]


@dataclass(frozen=True)
class Source:
    """One seed's number behind a cell: the measurement and the result that it stands in."""

    result: Result
    measurement: Measurement


@dataclass(frozen=True)
class Cell:
    """One number of a table, or the reason why there is none.

    ``value`` is the mean over seeds, ``deviation`` their standard deviation (ddof 1; None for one seed), ``interval``
    a confidence interval where one was asked for. ``text`` is what people read. ``comparable`` is False where the
    number may not be ranked against its column. ``tied``: worse than the best, but no test supports the difference.
    ``notes`` are indices into :attr:`Table.notes`.
    """

    value: float | None = None
    deviation: float | None = None
    interval: tuple[float, float] | None = None
    text: str = "–"
    mark: Mark = ""
    comparable: bool = False
    tied: bool = False
    notes: tuple[int, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Column:
    """``name`` is the measurement's, ``signature`` that of every number in the column without a footnote.

    ``zero_is_none``: a zero is the absence of what is counted, and takes no part in the ranking.
    """

    name: str
    title: str
    show: Callable[[float], str]
    higher_is_better: bool | None = None
    unit: str = ""
    signature: Signature = field(default_factory=dict)
    zero_is_none: bool = False

    @property
    def arrow(self) -> str:
        """The direction in which the column gets better."""
        return {True: "↑", False: "↓", None: ""}[self.higher_is_better]

    @property
    def heading(self) -> str:
        """Title, unit and arrow."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.title}{unit} {self.arrow}".rstrip()


@dataclass(frozen=True)
class Row:
    """``label`` identifies the row, ``short`` is printed for people where it is too long or holds a path.

    ``group`` gathers the rows that may be ranked against each other.
    """

    label: str
    title: str
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    notes: tuple[int, ...] = ()
    group: str = ""
    short: str = ""

    @property
    def shown(self) -> str:
        """What people read."""
        return self.short or self.label


@dataclass(frozen=True)
class Absent:
    """A measurement that no row has."""

    name: str
    title: str
    reason: str


@dataclass(frozen=True)
class Table:
    """A table of one kind (``name``) about one dataset and preset; ``remark`` is a last line under it.

    ``images`` says at which size they were measured. ``shared`` are the numbers that are the same in every row and so
    have no column: ``images seen 24,000``.
    """

    name: str
    title: str
    dataset: str
    preset: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    absent: tuple[Absent, ...] = ()
    remark: str = ""
    images: str = ""
    shared: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """``<dataset>-<preset>-<name>`` in characters that are safe in file names and HTML ids."""
        text = "-".join(part for part in (self.dataset, self.preset, self.name) if part)
        return plain_name(text)


class Notes:
    """Footnotes in order of first use; equal texts share a number."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}

    def add(self, text: str) -> int:
        """The index of the note with this text."""
        return self._texts.setdefault(text, len(self._texts))

    def texts(self) -> tuple[str, ...]:
        """All notes, by index."""
        return tuple(self._texts)
