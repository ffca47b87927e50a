"""The literature's tables: published numbers of a dataset side by side, source by source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.errors import UsageError
from bench.report.columns import QUOTED
from bench.report.numbers import exactly
from bench.report.quoted import Quote, QuotedRow, QuotedTable
from bench.report.table import Cell, Column, Notes, Row, Table
from bench.report.tables import mark_rows

WITHIN = "Marks are given within one table of one source: between sources the protocols differ or are not known."
HIGHER_IS_BETTER = frozenset({"psnr", "ssim", "ms-ssim", "is", "precision", "recall", "f1", "density", "coverage"})


def quoted_columns(kind: str, rows: Iterable[QuotedRow]) -> tuple[Column, ...]:
    """A column for every metric that one of the rows prints, in the order of this kind of table."""
    present = {name for row in rows for name in row.values}
    return tuple(
        Column(name, spec.heading(name), exactly, name in HIGHER_IS_BETTER, spec.unit)
        for spec in QUOTED[kind].columns
        for name in spec.matches(present)
    )


def literature(quoted: Sequence[QuotedTable], dataset: str | None) -> tuple[Table, ...]:
    """The literature's tables for a dataset (None: for every one), one per kind.

    Numbers that do not depend on the dataset are always there; superseded ones never. Marks are given within one
    table of one source, since only there the protocols are sure to agree.
    """
    current = [table for table in quoted if not table.superseded]
    known = sorted({table.dataset for table in current if table.dataset})
    if dataset is not None and dataset not in known:
        raise UsageError(f"Nothing is quoted for the dataset '{dataset}'; there is: {', '.join(known)}.")
    wanted: list[str | None] = [*known, None] if dataset is None else [dataset, None]
    return tuple(
        _literature(kind, [t for t in current if t.kind == kind and t.dataset == name], name or "")
        for name in wanted
        for kind in QUOTED
        if any(t.kind == kind and t.dataset == name for t in current)
    )


def _literature(kind: str, members: Sequence[QuotedTable], dataset: str) -> Table:
    notes = Notes()
    columns = quoted_columns(kind, [row for table in members for row in table.rows])
    rows = []
    for table in members:
        citation = (notes.add(" ".join((table.reference, *table.notes))),)
        for row in table.rows:
            own = tuple(notes.add(text) for text in row.notes)
            cells = tuple(quoted_cell(row.values.get(column.name), column.name, comparable=True) for column in columns)
            rows.append(Row(row.label, row.method, (), cells, (*citation, *own), f"{table.source}/{table.id}"))
    spec = QUOTED[kind]
    return Table(
        spec.name, spec.title, dataset, "published", columns, mark_rows(columns, rows), notes.texts(), remark=WITHIN
    )


def quoted_cell(quote: Quote | None, metric: str, comparable: bool, notes: tuple[int, ...] = ()) -> Cell:
    """A number as its source prints it, of parameters in millions; an empty cell where there is none."""
    if quote is None:
        return Cell()
    deviation = float(quote.spread) if quote.spread is not None else None
    text = quote.text(millions=metric.endswith("parameters"))
    return Cell(quote.value, deviation, text=text, comparable=comparable, notes=notes)
