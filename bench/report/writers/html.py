"""The HTML page: one file with its pictures beside it, no network, no foreign script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from bench.core.digest import of_value
from bench.core.visible import in_json
from bench.report.gallery import Gallery
from bench.report.styles import styles
from bench.report.summary import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, summary
from bench.report.table import Cell, Row, Source, Table
from bench.report.writers.text import absent_lines, caption, subject
from bench.results.record import Result, signature_id

LEGEND = (
    "Bold on green is best, underlined is second best; numbers that print alike are marked alike. ≈ marks numbers that "
    "no test tells apart from the best. Click a number to see where it comes from. ± is the standard deviation over "
    "training seeds."
)


SHORT = (str, int, float, bool)
"""The types of facts that the provenance panel shows."""


@dataclass(frozen=True)
class Picture:
    """A figure of the page: its file, relative to the page."""

    caption: str
    file: str


def to_html(
    title: str,
    lead: str,
    tables: Sequence[Table],
    galleries: Sequence[Gallery] = (),
    figures: Sequence[Picture] = (),
) -> str:
    """The page. All text from outside is escaped by Jinja2 or, within the data block, as JSON without ``<``."""
    import jinja2

    folder = files("bench.report").joinpath("templates")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    sources = _Sources()
    views = [_table(table, sources) for table in tables]
    compared = [table for table in tables if table.name == "comparison"]
    look = styles([row.label for table in compared for row in table.rows])
    return environment.get_template("page.html").render(
        title=title,
        lead=lead,
        legend=LEGEND,
        tables=views,
        summaries=[summary(table, subject(table), look) for table in compared],
        box=(WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM),
        galleries=galleries,
        figures=figures,
        css=folder.joinpath("page.css").read_text(encoding="utf-8"),
        js=folder.joinpath("page.js").read_text(encoding="utf-8"),
        data=inert_json(sources.data()),
    )


def inert_json(value: Any) -> str:
    """JSON that may stand inside a ``<script>`` element whatever strings it holds."""
    text = in_json(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _table(table: Table, sources: _Sources) -> dict[str, Any]:
    rows = []
    group = table.rows[0].group if table.rows else ""
    for row in table.rows:
        rows.append(_row(row, table, sources, row.group != group))
        group = row.group
    return {
        "key": table.key,
        "name": table.name,
        "caption": caption(table),
        "columns": [{"heading": _unbroken(column.heading)} for column in table.columns],
        "rows": rows,
        "notes": table.notes,
        "shared": "; ".join(table.shared),
        "remark": table.remark,
        "absent": absent_lines(table),
        "absent_count": _numbers(len(table.absent)),
    }


def _numbers(count: int) -> str:
    return "One number is" if count == 1 else f"{count} numbers are"


def _unbroken(heading: str) -> str:
    """A heading whose arrow stays on the line of its last word."""
    return heading.replace(" ↑", "\u00a0↑").replace(" ↓", "\u00a0↓")


def _row(row: Row, table: Table, sources: _Sources, first: bool) -> dict[str, Any]:
    cells = [
        {
            "value": cell.value,
            "text": cell.text,
            "mark": cell.mark,
            "tied": cell.tied,
            "notes": cell.notes,
            "interval": _interval(cell, table, index),
            "source": sources.add(cell.sources) if cell.value is not None else None,
        }
        for index, cell in enumerate(row.cells)
    ]
    name = f"{row.label} {row.title}".lower()
    title = row.title if row.shown == row.label else f"{row.title} ({row.label})"
    return {"label": row.shown, "title": title, "filter": name, "notes": row.notes, "cells": cells, "first": first}


def _interval(cell: Cell, table: Table, index: int) -> str:
    if cell.interval is None:
        return ""
    low, high = (table.columns[index].show(v) for v in cell.interval)
    return f"[{low}, {high}]"


class _Sources:
    """What the provenance panel shows; results, signatures and provenance blocks are stored once each."""

    def __init__(self) -> None:
        self._cells: dict[str, list[dict[str, Any]]] = {}
        self._results: list[dict[str, Any]] = []
        self._numbers: dict[tuple[str | int | None, ...], int] = {}
        self._provenance: dict[str, Mapping[str, Any]] = {}
        self._signatures: dict[str, Mapping[str, Any]] = {}

    def add(self, sources: Sequence[Source]) -> str | None:
        """The name of a cell's entry in the data block, or None where there is nothing to show."""
        if not sources:
            return None
        entry = [self._entry(source) for source in sources]
        name = str(len(self._cells))
        self._cells[name] = entry
        return name

    def data(self) -> dict[str, Any]:
        """The whole data block."""
        return {
            "cells": self._cells,
            "results": self._results,
            "provenance": self._provenance,
            "signatures": self._signatures,
        }

    def _entry(self, source: Source) -> dict[str, Any]:
        measurement = source.measurement
        signature = signature_id(measurement.signature)
        self._signatures[signature] = dict(measurement.signature)
        number: dict[str, Any] = {"metric": measurement.name, "value": measurement.value, "n": measurement.n}
        if measurement.unit:
            number["unit"] = measurement.unit
        if measurement.deviation is not None:
            number["deviation"] = measurement.deviation
        return {"number": number, "signature_id": signature, "result": self._result(source.result)}

    def _result(self, result: Result) -> int:
        place = (result.stage, result.dataset, result.preset, result.task, result.method, result.seed)
        if place not in self._numbers:
            self._numbers[place] = len(self._results)
            self._results.append(
                {
                    "about": _about(result),
                    "settings": result.settings,
                    "arguments": result.arguments,
                    "provenance": self._block(result.provenance),
                }
            )
        return self._numbers[place]

    def _block(self, provenance: Mapping[str, Any]) -> str:
        name = of_value(dict(provenance))[:12]
        self._provenance[name] = provenance
        return name


def _about(result: Result) -> dict[str, Any]:
    """The result's head and its short facts."""
    facts = {k: v for k, v in result.facts.items() if isinstance(v, SHORT) or k in ("grid", "code_shape")}
    return {
        "method": result.method,
        "dataset": result.dataset,
        "preset": result.preset,
        "stage": result.stage,
        "seed": result.seed,
        "limited by": ", ".join(result.limited) or "nothing",
        "key": result.key,
        "facts": facts,
    }
