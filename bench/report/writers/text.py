"""Tables as Markdown, plain text, CSV and JSON. Every string that came from outside is escaped for its format."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from bench.core.visible import in_json, visible
from bench.report.table import Cell, Row, Table
from bench.results.record import signature_id

MARKS = "Bold is best, underlined is second best; numbers that print alike are marked alike."
TIED = "≈"
_FETCH = re.compile(r"python -m bench fetch ([\w.-]+)$")


def caption(table: Table) -> str:
    """Title, dataset, size of the images and preset in one line."""
    where = subject(table)
    return f"{table.title}: {where}" if where else table.title


def subject(table: Table) -> str:
    """Dataset, size of the images and preset."""
    dataset = f"{table.dataset} at {table.images}" if table.images else table.dataset
    return ", ".join(part for part in (dataset, table.preset) if part)


def foot(table: Table) -> list[str]:
    """The lines under a table: numbered footnotes, what all rows share, then what no row has and why."""
    notes = [f"[{index + 1}] {note}" for index, note in enumerate(table.notes)]
    shared = [f"The same in every row that has it: {'; '.join(table.shared)}."] if table.shared else []
    absent = [f"Absent: {line}" for line in absent_lines(table)]
    return [*notes, *shared, *absent, *([table.remark] if table.remark else [])]


def absent_lines(table: Table) -> list[str]:
    """What no row has, gathered by reason; what lacks a network only is one line with one command."""
    fetched: dict[str, list[str]] = {}
    reasons: dict[str, list[str]] = {}
    for absent in table.absent:
        found = _FETCH.search(absent.reason)
        if found is None:
            reasons.setdefault(absent.reason, []).append(absent.title)
        else:
            fetched.setdefault(found[1], []).append(absent.title)
    lines = [f"{', '.join(titles)}: {reason}" for reason, titles in reasons.items()]
    if fetched:
        titles = ", ".join(title for members in fetched.values() for title in members)
        lines.insert(0, f"{titles}: their networks are not here; python -m bench fetch {' '.join(fetched)}")
    return lines


def _refs(notes: Sequence[int]) -> str:
    return "".join(f"[{index + 1}]" for index in notes)


def _cell_text(cell: Cell) -> str:
    return cell.text + (f" {TIED}" if cell.tied else "")


def _interval(row: Row, table: Table, index: int) -> str:
    cell = row.cells[index]
    if cell.interval is None:
        return ""
    low, high = (table.columns[index].show(v) for v in cell.interval)
    return f" [{low}, {high}]"


# Markdown ------------------------------------------------------------------------------------------------------


def escape_markdown(text: str) -> str:
    """Text that Markdown (GitHub's, tables included) prints as it is."""
    flat = " ".join(text.split())
    escaped = re.sub(r"([\\`*_{}\[\]#|~$!])", r"\\\1", flat)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def to_markdown(table: Table) -> str:
    """A GitHub table with its footnotes: best bold, second underlined."""
    heads = ["method", *(escape_markdown(column.heading) for column in table.columns)]
    lines = [
        f"### {escape_markdown(caption(table))}",
        "",
        _pipes(heads),
        _pipes(["---", *("---:" for _ in table.columns)]),
    ]
    for row in table.rows:
        label = escape_markdown(row.shown) + _superscript(row.notes)
        lines.append(_pipes([label, *(_markdown_cell(row, table, i) for i in range(len(row.cells)))]))
    lines += ["", *(f"{escape_markdown(line)}  " for line in [*foot(table), MARKS])]
    return "\n".join(lines) + "\n"


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _superscript(notes: Sequence[int]) -> str:
    return f"<sup>{escape_markdown(_refs(notes))}</sup>" if notes else ""


def _markdown_cell(row: Row, table: Table, index: int) -> str:
    cell = row.cells[index]
    text = _cell_text(cell) + escape_markdown(_interval(row, table, index))
    text = {"best": f"**{text}**", "second": f"<u>{text}</u>", "": text}[cell.mark]
    return text + _superscript(cell.notes)


# Plain text ----------------------------------------------------------------------------------------------------


def to_text(table: Table, width: int = 120) -> str:
    """An aligned table for a terminal, ``*`` after the best and ``'`` after the second-best number.

    A table wider than ``width`` is continued below with the methods repeated; nothing is cut off.
    """
    labels, columns = _plain_columns(table)
    height = max((len(column) for column in columns), default=len(labels))
    labels = [""] * (height - len(labels)) + labels
    columns = [[""] * (height - len(column)) + column for column in columns]
    lines = [caption(table), "=" * len(caption(table))]
    for block in _blocks(labels, columns, width):
        lines += ["", *_align(labels, block, height - len(table.rows))]
    under = [*foot(table), "* best, ' second best; numbers that print alike are marked alike."]
    lines += [
        "",
        *(wrapped for line in under for wrapped in wrap(line, width, subsequent_indent="    ", break_on_hyphens=False)),
    ]
    return visible("\n".join(lines)) + "\n"


def _plain_columns(table: Table) -> tuple[list[str], list[list[str]]]:
    """The labels, and the columns with their headings broken into lines."""
    labels = ["method", *(row.shown + _refs(row.notes) for row in table.rows)]
    columns = [
        [column.heading, *(_plain_cell(row, table, index) for row in table.rows)]
        for index, column in enumerate(table.columns)
    ]
    return labels, [_wrap_heading(column) for column in columns]


def width_of(table: Table) -> int:
    """Characters of a line of the table in a terminal, were it not broken."""
    labels, columns = _plain_columns(table)
    return max(map(len, labels)) + sum(2 + max(map(len, column)) for column in columns)


def _plain_cell(row: Row, table: Table, index: int) -> str:
    cell = row.cells[index]
    mark = {"best": "*", "second": "'", "": " "}[cell.mark]
    return _cell_text(cell) + _interval(row, table, index) + mark + _refs(cell.notes)


def break_heading(heading: str, width: int) -> list[str]:
    """Lines of at most ``width`` characters, broken at spaces; an arrow stays with its word."""
    lines = [""]
    for word in re.sub(" (?=[↑↓])", "\u00a0", heading).split(" "):
        joined = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(joined) > width:
            lines.append(word)
        else:
            lines[-1] = joined
    return [line.replace("\u00a0", " ") for line in lines]


def _wrap_heading(column: Sequence[str]) -> list[str]:
    """Breaks a heading so that it is not much wider than its numbers."""
    widest = max((len(text) for text in column[1:]), default=0)
    return [*(f"{line} " for line in break_heading(column[0], max(widest, 9))), *column[1:]]


def _blocks(labels: Sequence[str], columns: Sequence[Sequence[str]], width: int) -> list[list[Sequence[str]]]:
    blocks: list[list[Sequence[str]]] = [[]]
    start = max(len(label) for label in labels)
    used = start
    for column in columns:
        size = 2 + max(len(text) for text in column)
        if blocks[-1] and used + size > width:
            blocks.append([])
            used = start
        blocks[-1].append(column)
        used += size
    return blocks


def _align(labels: Sequence[str], columns: Sequence[Sequence[str]], heads: int) -> list[str]:
    widths = [max(len(text) for text in column) for column in columns]
    start = max(len(label) for label in labels)
    lines = [
        "  ".join(
            [label.ljust(start), *(column[i].rjust(w) for column, w in zip(columns, widths, strict=True))]
        ).rstrip()
        for i, label in enumerate(labels)
    ]
    return [*lines[:heads], "-" * max(len(line) for line in lines), *lines[heads:]]


# Data ----------------------------------------------------------------------------------------------------------


def to_csv(table: Table) -> str:
    """Plain numbers in full precision: per column the mean, and ``<name>-std`` (empty for one seed); notes last."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [name for column in table.columns for name in (column.name, f"{column.name}-std")]
    writer.writerow(["dataset", "preset", "method", "seeds", *names, "notes"])
    for row in table.rows:
        numbers = [n for cell in row.cells for n in (cell.value, cell.deviation)]
        used = sorted({*row.notes, *(n for cell in row.cells for n in cell.notes)})
        writer.writerow(
            [
                _inert(table.dataset),
                _inert(table.preset),
                _inert(row.label),
                " ".join(map(str, row.seeds)),
                *("" if n is None else repr(float(n)) for n in numbers),
                _inert(" ".join(table.notes[n] for n in used)),
            ]
        )
    return out.getvalue()


def _inert(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def to_json(made: Sequence[Table]) -> str:
    """All that the tables hold, for machines."""
    return in_json(json.dumps([as_data(table) for table in made], indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def as_data(table: Table) -> dict[str, Any]:
    """A table as what JSON can say."""
    return {
        "table": table.name,
        "title": table.title,
        "dataset": table.dataset,
        "preset": table.preset,
        "columns": [
            {
                "name": c.name,
                "title": c.title,
                "unit": c.unit,
                "higher_is_better": c.higher_is_better,
                "signature": dict(c.signature),
                "signature_id": signature_id(c.signature),
            }
            for c in table.columns
        ],
        "rows": [
            {
                "method": row.label,
                "title": row.title,
                "seeds": list(row.seeds),
                "notes": list(row.notes),
                "group": row.group,
                "cells": [_cell_data(cell) for cell in row.cells],
            }
            for row in table.rows
        ],
        "notes": list(table.notes),
        "absent": [{"name": a.name, "title": a.title, "reason": a.reason} for a in table.absent],
    }


def _cell_data(cell: Cell) -> dict[str, Any]:
    return {
        "value": cell.value,
        "deviation": cell.deviation,
        "interval": cell.interval,
        "text": cell.text,
        "mark": cell.mark,
        "comparable": cell.comparable,
        "tied": cell.tied,
        "notes": list(cell.notes),
    }
