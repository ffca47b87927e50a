"""The best and the second-best mark of a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.report.model import Cell, Column, Mark, Row


def mark(column: Column, cells: Sequence[Cell]) -> list[Cell]:
    """The cells with "best" and "second" set; cells that print alike are marked alike.

    Only comparable cells with a value take part, and none where the column has no direction or fewer than two cells
    take part. Where two or more cells share the best print there is no second.
    """
    values = [cell.value for cell in cells if cell.comparable and cell.value is not None]
    if column.higher_is_better is None or len(values) < 2:
        return list(cells)
    prints: list[str] = []
    for value in sorted(values, reverse=column.higher_is_better):
        prints.append(column.show(value))
    best = prints[0]
    second = prints[1] if prints[1] != best else None
    marks: dict[str | None, Mark] = {second: "second", best: "best"}
    return [
        replace(cell, mark=marks.get(column.show(cell.value), ""))
        if cell.comparable and cell.value is not None
        else cell
        for cell in cells
    ]


def mark_rows(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with every column marked within each group of rows."""
    marked: dict[int, list[Cell]] = {id(row): list(row.cells) for row in rows}
    for group in dict.fromkeys(row.group for row in rows):
        members = [row for row in rows if row.group == group]
        for index, column in enumerate(columns):
            for row, cell in zip(members, mark(column, [row.cells[index] for row in members]), strict=True):
                marked[id(row)][index] = cell
    return tuple(replace(row, cells=tuple(marked[id(row)])) for row in rows)
