"""The comparison tables: results in, one table per kind, dataset and preset out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.record import STAND_IN, Result
from bench.report.cells import (
    RowResults,
    cell_of,
    column_of,
    measurements,
    name_of,
    rows_of,
    why_absent,
    with_f1,
    with_floor,
)
from bench.report.columns import SPECS, ColumnSpec, TableSpec
from bench.report.model import Absent, Cell, Column, Notes, Row, Source, Table
from bench.report.rank import mark_rows
from bench.report.ratios import with_ratios
from bench.report.stand_ins import apart, is_apart


def comparison(results: Sequence[Result]) -> tuple[Table, ...]:
    """The one table that says it all, for every dataset and preset: quality, rate, decoder cost, training."""
    return tables(results, ("comparison",))


def tables(results: Sequence[Result], names: Sequence[str] = tuple(SPECS)) -> tuple[Table, ...]:
    """The named tables of every dataset and preset; those without a number are left out."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in apart(results):
        dataset = f"{result.dataset}, {result.task}" if result.task else result.dataset
        groups.setdefault((dataset, result.preset), []).append(result)
    made = []
    for (dataset, preset), members in groups.items():
        rows = with_f1(with_floor(with_ratios(rows_of(members))))
        made += [build(SPECS[name], rows, dataset, preset) for name in names]
        made += [build(spec, rows, dataset, preset) for spec, rows in _ablations(rows)] if "generation" in names else []
    return tuple(table for table in made if table.columns)


def build(spec: TableSpec, rows: Sequence[RowResults], dataset: str, preset: str) -> Table:
    """One table from the rows of one dataset and preset; a row without any of its stages is left out."""
    notes = Notes()
    wanted = {stage for column in spec.columns for stage in column.stages.split()}
    rows = sorted((row for row in rows if wanted & set(row.stages)), key=lambda row: is_apart(row.method))
    found = [(column, name) for column in spec.columns for name in _names(column, rows)]
    present: list[tuple[ColumnSpec, Column, list[tuple[Source, ...]]]] = []
    absent: list[Absent] = []
    for column_spec, name in dict.fromkeys(found):
        sources = [row.sources(column_spec, name) for row in rows]
        flat = [s for cell in sources for s in cell]
        if any(s.measurement.value is not None for s in flat):
            present.append((column_spec, column_of(column_spec, name, flat), sources))
        else:
            reason = next((s.measurement.reason for s in flat if s.measurement.reason), "no reason was recorded")
            absent.append(Absent(name, column_spec.heading(name), reason))
    columns = tuple(column for _, column, _ in present)
    made = tuple(
        _row(row, [cell_of(column, s[i], notes, why_absent(row, c)) for c, column, s in present], rows, notes)
        for i, row in enumerate(rows)
    )
    return Table(
        spec.name, spec.title, dataset, preset, columns, mark_rows(columns, made), notes.texts(), tuple(absent)
    )


def _names(column: ColumnSpec, rows: Sequence[RowResults]) -> list[str]:
    stages = column.stages.split()
    return column.matches(
        {m.name for row in rows for stage in stages for r in row.stages.get(stage, ()) for m in measurements(r, column)}
    )


def _row(row: RowResults, cells: Sequence[Cell], rows: Sequence[RowResults], notes: Notes) -> Row:
    """A table's row. A limited row gets a footnote, and is ranked only where all rows are limited alike.

    A row with stand-ins gets a footnote and a group of its own kind, and is never ranked.
    """
    random = is_apart(row.method)
    alike = all(other.limited == row.limited for other in rows)
    marks = [_limits(row, ranked=alike or random)] if row.limited else []
    marks += [_replaced(row)] if random else []
    if random or (row.limited and not alike):
        cells = [replace(cell, comparable=False) for cell in cells]
    group = STAND_IN if random else ""
    return Row(row.method, row.title, row.seeds, tuple(cells), tuple(notes.add(mark) for mark in marks), group)


def _limits(row: RowResults, ranked: bool) -> str:
    flags = " and ".join(f"--{flag.replace('_', '-')}" for flag in row.limited)
    return f"Limited by {flags}." if ranked else f"Limited by {flags}, not ranked."


def _replaced(row: RowResults) -> str:
    return f"Random weights took the place of pretrained ones, not ranked ({', '.join(row.stand_ins)})."


def _ablations(rows: Sequence[RowResults]) -> list[tuple[TableSpec, list[RowResults]]]:
    """For every method with two or more variants that were sampled from, a generation table of its own."""
    families: dict[str, list[RowResults]] = {}
    for row in rows:
        if "gen" in row.stages:
            families.setdefault(name_of(row.method), []).append(row)
    spec = SPECS["generation"]
    return [
        (TableSpec(f"ablation-{name}", f"Ablation: {name}", spec.columns), members)
        for name, members in families.items()
        if len(members) > 1
    ]
