"""From results to cells: one number per method and measurement, averaged over training seeds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, stdev

from bench.record import Measurement, Result, Signature, signature_difference, signature_id, stand_ins
from bench.report.columns import ColumnSpec
from bench.report.model import Cell, Column, Notes, Source
from bench.report.stand_ins import is_apart

FLOOR = "downsample"
"""The untrained method whose row is the floor for every method with the same grid of codes."""


@dataclass(frozen=True)
class RowResults:
    """All results of one method on one dataset and preset, by stage, ordered by seed."""

    method: str
    title: str
    stages: Mapping[str, tuple[Result, ...]]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The training seeds that any stage was run with."""
        return tuple(sorted({r.seed for results in self.stages.values() for r in results}))

    @property
    def limited(self) -> tuple[str, ...]:
        """The flags that reduced any stage of this row, sorted."""
        return tuple(sorted({flag for results in self.stages.values() for r in results for flag in r.limited}))

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """The stand-ins that any number of this row touched, sorted."""
        return stand_ins(m for results in self.stages.values() for r in results for m in r.metrics)

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the grid of codes, where the method has one.

        The reconstruction's fact ``grid``, or else the first two equal neighbours in its fact ``code_shape``: the
        harness measures square images, and so do all grids of codes have equal sides.
        """
        for result in self.stages.get("recon", ()) + self.stages.get("cost", ()):
            if result.facts.get("grid"):
                height, width = result.facts["grid"]
                return int(height), int(width)
            shape = result.facts.get("code_shape") or ()
            for one, other in pairwise(shape):
                if one == other:
                    return int(one), int(other)
        return None

    def sources(self, spec: ColumnSpec, name: str) -> tuple[Source, ...]:
        """The measurement of every seed, from the first stage of the column that has it."""
        for stage in spec.stages.split():
            found = tuple(
                Source(result, measurement)
                for result in self.stages.get(stage, ())
                for measurement in measurements(result, spec)
                if measurement.name == name
            )
            if found:
                return found
        return ()


def measurements(result: Result, spec: ColumnSpec) -> tuple[Measurement, ...]:
    """The result's metrics, and the column's fact as one where no metric has its name."""
    value = result.facts.get(spec.fact) if spec.fact else None
    if value is None or any(m.name == spec.pattern for m in result.metrics):
        return result.metrics
    return (*result.metrics, Measurement(spec.pattern, float(value)))


def rows_of(results: Sequence[Result]) -> list[RowResults]:
    """Gathers results of one dataset and preset by method, in order of first appearance."""
    gathered: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        gathered.setdefault(result.method, {}).setdefault(result.stage, []).append(result)
    return [
        RowResults(
            method,
            next(iter(stages.values()))[0].title,
            {stage: tuple(sorted(found, key=lambda r: r.seed)) for stage, found in stages.items()},
        )
        for method, stages in gathered.items()
    ]


def column_of(spec: ColumnSpec, name: str, sources: Sequence[Source]) -> Column:
    """The column for one measurement; its signature is the commonest among the numbers, the first of equals.

    Numbers of rows with stand-ins have no say where there are others.
    """
    found = [s for s in sources if s.measurement.value is not None]
    present = [s.measurement for s in found if not is_apart(s.result.method)] or [s.measurement for s in found]
    commonest = Counter(signature_id(m.signature) for m in present).most_common(1)[0][0]
    model = next(m for m in present if signature_id(m.signature) == commonest)
    higher = model.higher_is_better if spec.ranked else None
    return Column(name, spec.heading(name), spec.show, higher, spec.unit, model.signature)


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


def with_floor(rows: Sequence[RowResults]) -> list[RowResults]:
    """The rows, each reconstruction with the added measurement ``psnr-over-downsample``.

    It is the PSNR minus that of the ``downsample`` row with the same grid, where there is one and the two PSNRs have
    one signature. The floor itself gets none.
    """
    floors = {row.grid: row for row in rows if _is_floor(row) and row.grid is not None}
    return [row if _is_floor(row) or row.grid not in floors else _over(row, floors[row.grid]) for row in rows]


def with_f1(rows: Sequence[RowResults]) -> list[RowResults]:
    """The rows, each generation result with F1 = 2PR/(P + R) beside every pair of precision and recall."""
    return [
        replace(row, stages={**row.stages, "gen": tuple(map(_f1, row.stages["gen"]))}) if "gen" in row.stages else row
        for row in rows
    ]


def _f1(result: Result) -> Result:
    found = {m.name: m for m in result.metrics if m.value is not None}
    added = []
    for name, precision in found.items():
        recall = found.get(name.replace("precision", "recall", 1))
        if not name.startswith("precision") or recall is None or not precision.value or not recall.value:
            continue
        value = 2 * precision.value * recall.value / (precision.value + recall.value)
        signature = {"precision": signature_id(precision.signature), "recall": signature_id(recall.signature)}
        f1 = name.replace("precision", "f1", 1)
        added.append(Measurement(f1, value, "", True, precision.n, signature=signature))
    return replace(result, metrics=(*result.metrics, *added))


def _is_floor(row: RowResults) -> bool:
    return name_of(row.method) == FLOOR


def name_of(label: str) -> str:
    """The bare name at the head of a method label."""
    return re.split("[:@ ]", label, maxsplit=1)[0]


def _psnr(result: Result) -> Measurement | None:
    return next((m for m in result.metrics if m.name == "psnr" and m.value is not None), None)


def _over(row: RowResults, floor: RowResults) -> RowResults:
    base = next((m for r in floor.stages.get("recon", ()) if (m := _psnr(r))), None)
    if base is None:
        return row
    recon = tuple(_with_difference(result, base) for result in row.stages.get("recon", ()))
    return RowResults(row.method, row.title, {**row.stages, "recon": recon})


def _with_difference(result: Result, base: Measurement) -> Result:
    psnr = _psnr(result)
    if psnr is None or psnr.value is None or base.value is None or psnr.signature != base.signature:
        return result
    difference = Measurement(
        "psnr-over-downsample", psnr.value - base.value, psnr.unit, n=psnr.n, signature=psnr.signature
    )
    return replace(result, metrics=(*result.metrics, difference))
