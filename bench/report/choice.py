"""Which columns and rows of a table are shown: what the reader asked for, or what tells rows apart and fits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from bench.core.registry import suggestion
from bench.errors import UsageError
from bench.report.columns import COMPARED, EVERYTHING
from bench.report.labels import natural
from bench.report.load import Loaded
from bench.report.rows import name_of
from bench.report.table import Absent, Cell, Column, Row, Table
from bench.report.writers.text import width_of

MOST_COLUMNS = 7
"""Columns of numbers in a comparison: eight with the methods."""
WIDTH = 120
"""Characters of a terminal."""
METHOD = "method"


def keep(table: Table, indices: Sequence[int]) -> Table:
    """The table with these columns, in this order, and the footnotes that they and the rows need, as they come."""
    rows = [replace(row, cells=tuple(row.cells[i] for i in indices)) for row in table.rows]
    used = dict.fromkeys(note for row in rows for note in (*row.notes, *(n for cell in row.cells for n in cell.notes)))
    number = {note: index for index, note in enumerate(used)}
    return replace(
        table,
        columns=tuple(table.columns[i] for i in indices),
        rows=tuple(_renumbered(row, number) for row in rows),
        notes=tuple(table.notes[note] for note in used),
    )


def _renumbered(row: Row, number: dict[int, int]) -> Row:
    cells = tuple(replace(cell, notes=tuple(number[n] for n in cell.notes)) for cell in row.cells)
    return replace(row, cells=cells, notes=tuple(number[n] for n in row.notes))


def condensed(table: Table) -> Table:
    """The table without the columns in which all numbers print alike; a line under it holds these numbers."""
    alike = [_is_alike([row.cells[i] for row in table.rows]) for i in range(len(table.columns))]
    if all(alike):
        return keep(table, range(len(table.columns)))
    said = tuple(
        f"{column.title} {next(row.cells[i].text for row in table.rows if row.cells[i].value is not None)}"
        + (f" {column.unit}" if column.unit else "")
        for i, column in enumerate(table.columns)
        if alike[i]
    )
    return replace(keep(table, [i for i, same in enumerate(alike) if not same]), shared=said)


def _is_alike(cells: Sequence[Cell]) -> bool:
    """Whether two or more cells have one and the same print and no footnote."""
    present = [cell for cell in cells if cell.value is not None]
    return len(present) > 1 and len({cell.text for cell in present}) == 1 and not any(c.notes for c in present)


def concise(table: Table) -> Table:
    """A comparison table of the columns that tell its rows apart: as many as fit a terminal, at most seven.

    Other kinds of tables lose only the columns in which all is alike.
    """
    table = condensed(table)
    if table.name != "comparison":
        return table
    names = [column.name for column in table.columns]
    wanted = [i for group in COMPARED if (i := _first(names, group)) is not None]
    chosen: list[int] = []
    for index in wanted:
        tried = sorted([*chosen, index])
        if len(tried) <= MOST_COLUMNS and (not chosen or width_of(keep(table, tried)) <= WIDTH):
            chosen = tried
    return keep(table, chosen or range(min(MOST_COLUMNS, len(names))))


def _first(names: Sequence[str], patterns: Sequence[str]) -> int | None:
    return next((i for pattern in patterns for i, name in enumerate(names) if fnmatchcase(name, pattern)), None)


# What was asked for ---------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _is_called(wanted: str, column: Column | Absent) -> bool:
    """Whether a name on the command line stands for a column: its own name, its title, or its family (``lpips``)."""
    names = (column.name, _plain(column.title))
    return any(_plain(wanted) == name or name.startswith(f"{_plain(wanted)}-") for name in names)


def _named(table: Table) -> list[Column | Absent]:
    return [*table.columns, *table.absent]


def _indices(table: Table, wanted: str) -> list[int]:
    exact = [i for i, c in enumerate(table.columns) if _plain(wanted) in (c.name, _plain(c.title))]
    title = [i for i in exact if _plain(table.columns[i].title) == _plain(wanted)]
    return title or exact or [i for i, c in enumerate(table.columns) if _is_called(wanted, c)]


def known_columns(tables: Sequence[Table]) -> list[str]:
    """The names that ``--columns`` and ``--sort`` take: those of the columns that there are or could be."""
    there = [column.name for table in tables for column in _named(table)]
    always = [spec.pattern for spec in EVERYTHING.columns if "*" not in spec.pattern]
    return sorted({*there, *always, "rfid"})


def columns_of(tables: Sequence[Table], wanted: Sequence[str]) -> tuple[Table, ...]:
    """The tables of everything, each with the wanted columns alone; raises :class:`UsageError` for an unknown one.

    A wanted column that a table has no number for is named under it with the reason.
    """
    known = known_columns(tables)
    for name in wanted:
        if name not in known and not any(_is_called(name, c) for t in tables for c in _named(t)):
            raise UsageError(f"There is no column '{name}'; there are: {', '.join(known)}.")
    made = []
    for table in tables:
        indices = list(dict.fromkeys(i for name in wanted for i in _indices(table, name)))
        if indices:
            absent = tuple(a for a in table.absent if any(_is_called(name, a) for name in wanted))
            made.append(replace(keep(table, indices), name="comparison", absent=absent))
    if not made:
        raise UsageError(
            f"None of the results holds a number of {', '.join(wanted)}; choose others of: {', '.join(known)}."
        )
    return tuple(made)


def of_methods(results: Sequence[Loaded], wanted: Sequence[str]) -> list[Loaded]:
    """The results of these methods, in the order in which they are asked for.

    A method is named by its label or by its bare name, which stands for all its rows. Raises :class:`UsageError` for
    one that no result has.
    """
    labels = list(dict.fromkeys(loaded.result.method for loaded in results))
    chosen: list[str] = []
    for name in wanted:
        found = [label for label in labels if name in (label, name_of(label))]
        if not found:
            raise UsageError(f"There is no result of a method '{name}'.{suggestion(name, labels)}")
        chosen += found
    order = list(dict.fromkeys(chosen))
    kept = [loaded for loaded in results if loaded.result.method in order]
    return sorted(kept, key=lambda loaded: order.index(loaded.result.method))


def split_methods(text: str) -> list[str]:
    """The labels in a list with commas; a piece of the form ``k=v`` belongs to the label before it."""
    made: list[str] = []
    for piece in text.split(","):
        if made and re.fullmatch(r"[A-Za-z_]\w*=.*", piece):
            made[-1] += f",{piece}"
        else:
            made.append(piece.strip())
    return [name for name in made if name]


def ordered(tables: Sequence[Table], by: str) -> tuple[Table, ...]:
    """The tables with their rows sorted by a column, the best first, or by ``method``; rows without a number are last.

    A table without the column keeps its order. Raises :class:`UsageError` where no table has it.
    """
    if by != METHOD and not any(_indices(table, by) for table in tables):
        known = sorted({column.name for table in tables for column in table.columns})
        raise UsageError(f"There is no column '{by}' to sort by; there are: {METHOD}, {', '.join(known)}.")
    return tuple(keep(made, range(len(made.columns))) for made in (_ordered(table, by) for table in tables))


def _ordered(table: Table, by: str) -> Table:
    groups = list(dict.fromkeys(row.group for row in table.rows))
    if by == METHOD:
        return replace(
            table, rows=tuple(sorted(table.rows, key=lambda row: (groups.index(row.group), natural(row.label))))
        )
    indices = _indices(table, by)
    if not indices:
        return table
    sign = -1 if table.columns[indices[0]].higher_is_better else 1

    def place(row: Row) -> tuple[int, bool, float]:
        value = row.cells[indices[0]].value
        return (groups.index(row.group), value is None, 0.0 if value is None else sign * value)

    return replace(table, rows=tuple(sorted(table.rows, key=place)))
