"""The comparison tables: results in, one table per kind, dataset and preset out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev

from bench.metrics import METRICS
from bench.report.columns import EVERYTHING, SPECS, ColumnSpec, TableSpec, metric_column
from bench.report.labels import short, shortened
from bench.report.numbers import with_decimals
from bench.report.rows import (
    RowResults,
    _is_floor,
    limited_alike,
    measurements,
    name_of,
    rows_of,
    with_f1,
    with_floor,
    with_ratios,
)
from bench.report.stand_ins import apart, is_apart
from bench.report.table import Absent, Cell, Column, Mark, Notes, Row, Source, Table
from bench.results.record import STAND_IN, Measurement, Result, Signature, signature_difference, signature_id


def tables(
    results: Sequence[Result], names: Sequence[str] = tuple(SPECS), decimals: int | None = None
) -> tuple[Table, ...]:
    """The named tables of every dataset and preset; those without a number are left out.

    The name ``everything`` stands for one comparison of all columns. ``decimals`` are printed instead of each metric's
    own.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in apart(results):
        dataset = f"{result.dataset}, {result.task}" if result.task else result.dataset
        groups.setdefault((dataset, result.preset), []).append(result)
    made = []
    for (dataset, preset), members in groups.items():
        rows = with_f1(with_floor(with_ratios(rows_of(members))))
        specs = [(EVERYTHING if name == EVERYTHING.name else SPECS[name], rows) for name in names]
        specs += _ablations(rows) if "generation" in names else []
        made += [build(_printing(spec, decimals), members, dataset, preset) for spec, members in specs]
    return tuple(table for table in made if table.columns)


def _printing(spec: TableSpec, decimals: int | None) -> TableSpec:
    return replace(spec, columns=tuple(replace(c, show=with_decimals(c.show, decimals)) for c in spec.columns))


def _images(rows: Sequence[RowResults]) -> str:
    """The sizes of the measured images, where results say them: ``64 x 64 px (images of 768x512)``."""
    found: dict[str, None] = {}
    for result in (result for row in rows for results in row.stages.values() for result in results):
        data = result.provenance.get("data") or {}
        side, protocol = data.get("resolution"), str(data.get("protocol"))
        if protocol.startswith("native"):
            found["native size" if protocol == "native" else f"native size, long side at most {protocol[7:]} px"] = None
        elif side:
            own, sources = f"{side}x{side}", data.get("source_sizes")
            found[f"{side} x {side} px" + (f" (images of {sources})" if sources not in (None, own) else "")] = None
    return " and ".join(found)


def build(spec: TableSpec, rows: Sequence[RowResults], dataset: str, preset: str) -> Table:
    """One table from the rows of one dataset and preset; a row without any of its stages is left out."""
    notes = Notes()
    wanted = {stage for column in spec.columns for stage in column.stages.split()}
    rows = sorted((row for row in rows if wanted & set(row.stages)), key=lambda row: is_apart(row.method))
    found = [(column, name) for column in spec.columns for name in _names(column, rows)]
    found += [(metric_column(spec.others, name), name) for name in _others(spec, rows)]
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
    shorts = shortened([row.method for row in rows])
    made = tuple(
        replace(
            _row(row, [cell_of(column, s[i], notes, why_absent(row, c)) for c, column, s in present], rows, notes),
            short=shorts[row.method],
        )
        for i, row in enumerate(rows)
    )
    marked = mark_rows(columns, made)
    return Table(
        spec.name, spec.title, dataset, preset, columns, marked, notes.texts(), tuple(absent), images=_images(rows)
    )


def _names(column: ColumnSpec, rows: Sequence[RowResults]) -> list[str]:
    stages = column.stages.split()
    return column.matches(
        {m.name for row in rows for stage in stages for r in row.stages.get(stage, ()) for m in measurements(r, column)}
    )


def _others(spec: TableSpec, rows: Sequence[RowResults]) -> list[str]:
    """The metrics of the table's open stage that no column stands for, in the order in which they were measured."""
    measured = [m for row in rows for result in row.stages.get(spec.others, ()) for m in result.metrics]
    metrics = {m.name: None for m in measured if m.name in METRICS or m.signature.get("metric") == m.name}
    return [name for name in metrics if not any(column.matches([name]) for column in spec.columns)]


def _row(row: RowResults, cells: Sequence[Cell], rows: Sequence[RowResults], notes: Notes) -> Row:
    """A table's row. A limited row gets a footnote, and is ranked only where all rows are limited alike.

    A row with stand-ins gets a footnote and a group of its own kind, and is never ranked.
    """
    random = is_apart(row.method)
    alike = limited_alike(rows)
    marks = [_limits(row, ranked=alike or random)] if row.limited else []
    marks += [_replaced(row)] if random else []
    marks += [f"The whole label is {row.method}."] if short(row.method) != row.method else []
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
        (replace(spec, name=f"ablation-{name}", title=f"Ablation: {name}"), members)
        for name, members in families.items()
        if len(members) > 1
    ]


def mark(column: Column, cells: Sequence[Cell]) -> list[Cell]:
    """The cells with "best" and "second" set; cells that print alike are marked alike.

    Only comparable cells with a value take part, no zeros where they say that there is nothing to count, and none where
    the column has no direction or fewer than two cells take part. Where two or more cells share the best print there
    is no second.
    """
    ranked = [_is_ranked(column, cell) for cell in cells]
    values = [cell.value for cell, part in zip(cells, ranked, strict=True) if part and cell.value is not None]
    if column.higher_is_better is None or len(values) < 2:
        return list(cells)
    prints: list[str] = []
    for value in sorted(values, reverse=column.higher_is_better):
        prints.append(column.show(value))
    best = prints[0]
    second = prints[1] if prints[1] != best else None
    marks: dict[str | None, Mark] = {second: "second", best: "best"}
    return [
        replace(cell, mark=marks.get(column.show(cell.value), "")) if part and cell.value is not None else cell
        for cell, part in zip(cells, ranked, strict=True)
    ]


def _is_ranked(column: Column, cell: Cell) -> bool:
    return cell.comparable and cell.value is not None and not (column.zero_is_none and cell.value == 0)


def mark_rows(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with every column marked within each group of rows."""
    marked: dict[int, list[Cell]] = {id(row): list(row.cells) for row in rows}
    for group in dict.fromkeys(row.group for row in rows):
        members = [row for row in rows if row.group == group]
        for index, column in enumerate(columns):
            for row, cell in zip(members, mark(column, [row.cells[index] for row in members]), strict=True):
                marked[id(row)][index] = cell
    return tuple(replace(row, cells=tuple(marked[id(row)])) for row in rows)


def column_of(spec: ColumnSpec, name: str, sources: Sequence[Source]) -> Column:
    """The column for one measurement; its signature is the commonest among the numbers, the first of equals.

    Numbers of rows with stand-ins have no say where there are others.
    """
    found = [s for s in sources if s.measurement.value is not None]
    present = [s.measurement for s in found if not is_apart(s.result.method)] or [s.measurement for s in found]
    commonest = Counter(signature_id(m.signature) for m in present).most_common(1)[0][0]
    model = next(m for m in present if signature_id(m.signature) == commonest)
    higher = model.higher_is_better if spec.ranked else None
    return Column(name, spec.heading(name), spec.show, higher, spec.unit, model.signature, spec.zero_is_none)


def cell_of(column: Column, sources: Sequence[Source], notes: Notes, why_absent: str) -> Cell:
    """One cell: the mean over the seeds whose signature is the column's, or else over the others, with a footnote."""
    present = [s for s in sources if s.measurement.value is not None]
    if not present:
        reasons = [s.measurement.reason for s in sources if s.measurement.reason] or [why_absent]
        return Cell(
            notes=tuple(notes.add(f"Absent: {reason}") for reason in dict.fromkeys(reasons)), sources=tuple(sources)
        )
    key = signature_id(column.signature)
    same = [s for s in present if signature_id(s.measurement.signature) == key]
    used = same or [s for s in present if s.measurement.signature == present[0].measurement.signature]
    numbers = [float(s.measurement.value) for s in used if s.measurement.value is not None]
    deviation = stdev(numbers) if len(numbers) > 1 else used[0].measurement.deviation
    marks = [] if same else [notes.add(_difference(column.signature, used[0].measurement))]
    if len(used) < len(sources):
        marks.append(
            notes.add(f"{len(sources) - len(used)} of {len(sources)} seeds are absent or of another signature.")
        )
    if deviation and len(numbers) == 1:
        marks.append(notes.add("± is the estimate's own deviation, within one run."))
    return Cell(
        value=fmean(numbers),
        deviation=deviation,
        text=column.show(fmean(numbers)) + (f" ± {column.show(deviation).lstrip('+')}" if deviation else ""),
        comparable=bool(same),
        notes=tuple(marks),
        sources=tuple(used),
    )


def _difference(expected: Signature, measurement: Measurement) -> str:
    fields = signature_difference(expected, measurement.signature)
    said = "; ".join(f"{k}: {measurement.signature.get(k)} instead of {expected.get(k)}" for k in fields)
    return f"Other signature, not ranked ({said})."


def why_absent(row: RowResults, spec: ColumnSpec) -> str:
    """Why a row has no measurement of this column: its stage failed, does not apply, or was not run."""
    if _is_floor(row) and (reason := _why_floor_lacks(spec)):
        return reason
    stage = spec.stages.split()[0]
    results = row.stages.get(stage, ())
    troubles = [r for r in results if r.status != "ok"]
    if troubles:
        kind = "failed" if troubles[0].status == "failed" else "does not apply"
        return f"the stage '{stage}' {kind}: {troubles[0].error or 'no reason was recorded'}"
    if results and spec.absent:
        return spec.absent
    if results:
        return "this result does not hold it; add --overwrite to the run to measure it."
    return f"the stage '{stage}' was not run; add --stages {stage}."


def _why_floor_lacks(spec: ColumnSpec) -> str:
    """Why the floor itself has no such number, where it never will."""
    if spec.pattern == "psnr-over-downsample":
        return "it is what the others are compared with."
    return "it is not trained." if spec.stages == "train" else ""
