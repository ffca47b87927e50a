"""The same images by each camp's ruler: a column for every released script, a row for every family of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.metrics import METRICS
from bench.metrics.protocols import CAMPS
from bench.metrics.protocols import USUAL_PAIRS as USUAL
from bench.report.columns import digits
from bench.report.numbers import exactly
from bench.report.stand_ins import apart
from bench.report.table import Cell, Column, Notes, Row, Source, Table
from bench.results.record import Measurement, Result

OWN = "this program"
SPREAD = "spread"
REMARK = (
    "One decoding of the same images; only the ruler differs. Nothing is ranked: numbers of two columns are not "
    "comparable."
)


@dataclass(frozen=True)
class Measured:
    """What was measured of one set of images; ``result`` where it stands in one."""

    label: str
    measurements: Mapping[str, Measurement]
    result: Result | None = None


def family(metric: str) -> str:
    """The metric of this program that a convention's metric is another form of; its own name where it is none."""
    return next((name for name in USUAL if metric == name or metric.startswith(f"{name}-")), metric)


def rulers(rows: Sequence[Measured], dataset: str = "", preset: str = "") -> Table:
    """Values by camp, and the difference between the largest and the smallest of each row."""
    notes = Notes()
    names = (OWN, *(camp.name for camp in CAMPS), SPREAD)
    columns = tuple(Column(name, name, exactly) for name in names)
    made = [_row(measured, usual, notes) for measured in rows for usual in USUAL]
    title = "The same images by each camp's ruler"
    return Table("rulers", title, dataset, preset, columns, tuple(made), notes.texts(), remark=REMARK)


def _row(measured: Measured, usual: str, notes: Notes) -> Row:
    wanted = [usual, *(next((n for n in camp.pairs if family(n) == usual), None) for camp in CAMPS)]
    cells = [
        _cell(measured, name, notes)
        if name is not None
        else Cell(notes=(notes.add(f"Absent: {camp} measures no such number."),))
        for camp, name in zip((OWN, *(camp.name for camp in CAMPS)), wanted, strict=True)
    ]
    values = [cell.value for cell in cells if cell.value is not None]
    spread = max(values) - min(values) if len(values) > 1 else None
    last = Cell() if spread is None else Cell(spread, text=digits(usual)(spread))
    title = METRICS[usual].title
    return Row(f"{measured.label} · {title}", title, (), (*cells, last), (), measured.label)


def _cell(measured: Measured, name: str, notes: Notes) -> Cell:
    found = measured.measurements.get(name)
    if found is None:
        return Cell(notes=(notes.add(f"Absent: {name} was not measured."),))
    sources = () if measured.result is None else (Source(measured.result, found),)
    if found.value is None:
        return Cell(notes=(notes.add(f"Absent: {found.reason}."),), sources=sources)
    about = () if name in USUAL else (notes.add(f"{METRICS[name].title}, {name}."),)
    return Cell(found.value, text=digits(name)(found.value), notes=about, sources=sources)


def of_results(results: Sequence[Result]) -> tuple[Table, ...]:
    """One table per dataset and preset, of the reconstructions that were measured by a camp's metrics."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for result in apart(results):
        found = {measurement.name: measurement for measurement in result.metrics}
        if result.stage == "recon" and any(name in METRICS and METRICS[name].named_only for name in found):
            seed = f", seed {result.seed}" if result.seed else ""
            row = Measured(f"{result.method}{seed}", found, result)
            groups.setdefault((result.dataset, result.preset), []).append(row)
    return tuple(rulers(rows, dataset, preset) for (dataset, preset), rows in groups.items())
