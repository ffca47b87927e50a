"""Results as a Hugging Face ``model-index``: one YAML block per method, for the head of a model card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.report.stand_ins import is_apart
from bench.report.table import Cell, Column, Row, Table
from bench.results.record import signature_id

TASKS = {
    "reconstruction": ("image-reconstruction", "Image reconstruction"),
    "generation": ("unconditional-image-generation", "Image generation"),
}


def model_index(tables: Sequence[Table]) -> dict[str, str]:
    """The YAML text of every measured method in the reconstruction and generation tables, by label.

    Stand-ins and numbers that are only quoted are left out.
    """
    import yaml

    blocks: dict[str, list[dict[str, Any]]] = {}
    for table in tables:
        for row in table.rows if table.name in TASKS else ():
            if is_apart(row.label):
                continue
            metrics = [_metric(column, cell) for column, cell in metrics_of(table, row)]
            if metrics:
                blocks.setdefault(row.label, []).append(_result(table, row, metrics))
    return {
        label: yaml.safe_dump(
            {"model-index": [{"name": label, "results": results}]}, sort_keys=False, allow_unicode=True, width=100
        )
        for label, results in blocks.items()
    }


def metrics_of(table: Table, row: Row) -> list[tuple[Column, Cell]]:
    """The measured numbers of a row with their columns; what is absent or only quoted is left out."""
    cells = zip(table.columns, row.cells, strict=True)
    return [(column, cell) for column, cell in cells if cell.value is not None and cell.sources]


def _result(table: Table, row: Row, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    kind, name = TASKS[table.name]
    dataset = {"name": table.dataset, "type": table.dataset, "config": table.preset}
    return {"task": {"type": kind, "name": name}, "dataset": dataset, "metrics": metrics}


def _metric(column: Column, cell: Cell) -> dict[str, Any]:
    """One metric; ``args`` carries the protocol, without which the number means little."""
    measurement = cell.sources[0].measurement
    made: dict[str, Any] = {
        "type": column.name,
        "name": column.title,
        "value": cell.value,
        "args": {"signature": signature_id(measurement.signature), **dict(measurement.signature)},
    }
    if cell.deviation is not None:
        made["args"] = {"seeds": len(cell.sources), "deviation": cell.deviation, **made["args"]}
    limited = cell.sources[0].result.limited
    if limited:
        made["args"] = {"limited": ", ".join(limited), **made["args"]}
    return made
