"""Counted parameters and operations beside what papers print of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.record import Measurement, Result
from bench.report.cells import rows_of
from bench.report.model import Cell, Column, Notes, Row, Table
from bench.report.published import corresponds
from bench.report.quoted import QuotedRow, QuotedTable

PARAMETERS = ("decoder-parameters", "decoder-grid-parameters", "encoder-parameters", "codebook-parameters")
OPERATIONS = ("decoder-gmac", "decoder-gmac-fvcore", "encoder-gmac", "encoder-gmac-fvcore")
COMPARED = ("decoder-parameters", "decoder-grid-parameters", "decoder-gmac-fvcore")
"""What papers print; their "GFlops" are fvcore's total, in 10^9 multiply-accumulates."""
PUBLISHED = "published "


@dataclass(frozen=True)
class Published:
    """A number as its source prints it, and what must be said of it."""

    value: float
    text: str
    notes: tuple[str, ...]


def published(variants: Mapping[str, str | None], quoted: Sequence[QuotedTable]) -> dict[str, dict[str, Published]]:
    """By label and name, what is published of each method's cost; ``variants`` maps the labels to their variants.

    A number of a paper goes before one that was measured on its official code.
    """
    tables = sorted((t for t in quoted if t.kind == "cost" and not t.superseded), key=_second_hand)
    results = [
        Result("cost", "ok", label, label, "", "paper", 0, "", facts={"variant": variant})
        for label, variant in variants.items()
    ]
    found: dict[str, dict[str, Published]] = {label: {} for label in variants}
    for row in rows_of(results):
        for table in tables:
            for quoted_row in (q for q in table.rows if corresponds(row, q)):
                for name, number in _numbers(table, quoted_row).items():
                    found[row.method].setdefault(name, number)
    return found


def _second_hand(table: QuotedTable) -> bool:
    return table.confidence == "measured"


def _numbers(table: QuotedTable, row: QuotedRow) -> dict[str, Published]:
    about = (table.reference, *row.notes)
    reasons = {name: text for name, (_, text) in row.differs.items()}
    return {
        name: Published(
            quote.value, quote.text(name in PARAMETERS), (*about, *((reasons[name],) if name in reasons else ()))
        )
        for name, quote in row.values.items()
    }


def table(
    counted: Mapping[str, Sequence[Measurement]], preset: str, quoted: Mapping[str, Mapping[str, Published]]
) -> Table:
    """One row per method: what was counted, and beside it what was published; nothing is ranked."""
    notes = Notes()
    compared = {name for numbers in quoted.values() for name in numbers} & set(COMPARED)
    columns = tuple(column for name in (*PARAMETERS, *OPERATIONS) for column in _columns(name, name in compared))
    rows = []
    for label, measurements in counted.items():
        own = {m.name: m for m in measurements}
        cells = tuple(_cell(column, own, quoted.get(label, {}), notes) for column in columns)
        rows.append(Row(label, label, (), cells))
    return Table("cost", "Cost of encoders and decoders, one image", "", preset, columns, tuple(rows), notes.texts())


def _columns(name: str, beside: bool) -> tuple[Column, ...]:
    show, unit = (_millions, "M") if name in PARAMETERS else (_giga, "G")
    own = Column(name, name.replace("-", " "), show, unit=unit)
    return (own, Column(PUBLISHED + name, PUBLISHED.strip(), show)) if beside else (own,)


def _cell(column: Column, own: Mapping[str, Measurement], quoted: Mapping[str, Published], notes: Notes) -> Cell:
    if column.name.startswith(PUBLISHED):
        number = quoted.get(column.name.removeprefix(PUBLISHED))
        return Cell(number.value, text=number.text, notes=tuple(map(notes.add, number.notes))) if number else Cell()
    measurement = own.get(column.name)
    if measurement is None or measurement.value is None:
        reason = measurement.reason if measurement else None
        return Cell(notes=(notes.add(reason),) if reason else ())
    return Cell(measurement.value, text=column.show(measurement.value))


def _millions(value: float) -> str:
    return f"{value / 1e6:.3f}"


def _giga(value: float) -> str:
    return f"{value:.3f}"
