"""From results to cells: one number per method and measurement, averaged over training seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

from bench.report.columns import ColumnSpec
from bench.report.table import Source
from bench.results.record import Measurement, Result, signature_id, stand_ins

FLOOR = "downsample"
"""The untrained method whose row is the floor for every method with the same grid of codes."""

REFERENCE = "vqgan"
"""The method whose first row that was clocked is the reference."""
SPEED, OPERATIONS = "decode-images-per-second", "decoder-gmac"
TIME_OVER, OPERATIONS_OVER = "decode-time-over-", "decoder-gmac-over-"


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
    def asked(self) -> frozenset[str]:
        """The flags that its runs were asked for and that may reduce one, whether or not they did here."""
        found: set[str] = set()
        for given in (r.arguments for results in self.stages.values() for r in results):
            found |= {flag for flag in ("limit", "eval-limit") if given.get(flag.replace("-", "_")) is not None}
            found |= {f"set {text}" for text in given.get("set", ())}
        return frozenset(found)

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """The stand-ins that any number of this row touched, sorted."""
        return stand_ins(m for results in self.stages.values() for r in results for m in r.metrics)

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the grid of codes, where the method has one.

        The reconstruction's fact ``grid``, None for a list of codes, or where there is no such fact the first two equal
        neighbours in its fact ``code_shape``: the harness measures square images, and so do all grids of codes have
        equal sides.
        """
        for result in self.stages.get("recon", ()) + self.stages.get("cost", ()):
            if result.facts.get("grid"):
                height, width = result.facts["grid"]
                return int(height), int(width)
            shape = () if "grid" in result.facts else result.facts.get("code_shape") or ()
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


def limited_alike(rows: Sequence[RowResults]) -> bool:
    """Whether the same flags reduced all rows, but for those that were asked of all and found nothing to reduce.

    A codec beside tokenizers that are trained under one ``--limit`` is not reduced by it, and still comparable.
    """
    asked = frozenset[str]() if not rows else frozenset.intersection(*(row.asked for row in rows))
    return len({frozenset(row.limited) - asked for row in rows}) <= 1


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


def with_floor(rows: Sequence[RowResults]) -> list[RowResults]:
    """The rows, each reconstruction with the added measurement ``psnr-over-downsample``.

    It is the PSNR minus that of the ``downsample`` row with the same grid, where there is one and the two PSNRs have
    one signature. The floor itself gets none.
    """
    floors = {row.grid: row for row in rows if _is_floor(row) and row.grid is not None}
    return [row if _is_floor(row) or row.grid not in floors else _over(row, floors[row.grid]) for row in rows]


def with_f1(rows: Sequence[RowResults]) -> list[RowResults]:
    """The rows, each generation result with F1 = 2PR/(P + R), 0 for two zeros, beside every precision and recall."""
    return [
        replace(row, stages={**row.stages, "gen": tuple(map(_f1, row.stages["gen"]))}) if "gen" in row.stages else row
        for row in rows
    ]


def _f1(result: Result) -> Result:
    found = {m.name: m for m in result.metrics if m.value is not None}
    added = []
    for name, precision in found.items():
        recall = found.get(name.replace("precision", "recall", 1))
        if not name.startswith("precision") or recall is None or precision.value is None or recall.value is None:
            continue
        total = precision.value + recall.value
        value = 2 * precision.value * recall.value / total if total else 0.0
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


def with_ratios(rows: Sequence[RowResults]) -> list[RowResults]:
    """The rows, with ``decode-time-over-<label>`` and ``decoder-gmac-over-<label>`` beside what they are ratios of.

    ``<label>`` is the reference row. Times are compared under one signature alone: the same machine, batch, size and
    threads. Where no row of the reference was clocked the rows stay as they are.
    """
    reference = next((row for row in rows if name_of(row.method) == REFERENCE and _found(row, SPEED)), None)
    if reference is None:
        return list(rows)
    return [_with(row, reference) for row in rows]


def _found(row: RowResults, name: str) -> list[Measurement]:
    results = (*row.stages.get("cost", ()), *row.stages.get("recon", ()))
    return [m for result in results for m in result.metrics if m.name == name and m.value]


def _with(row: RowResults, reference: RowResults) -> RowResults:
    stages = {
        stage: tuple(_added(result, reference) for result in results) if stage in ("cost", "recon") else results
        for stage, results in row.stages.items()
    }
    return replace(row, stages=stages)


def _added(result: Result, reference: RowResults) -> Result:
    found = (_ratio(m, reference) for m in result.metrics if m.name in (SPEED, OPERATIONS))
    return replace(result, metrics=(*result.metrics, *(m for m in found if m is not None)))


def _ratio(own: Measurement, reference: RowResults) -> Measurement | None:
    """This number over the mean of the reference's; for a speed the reciprocal, which is a ratio of times."""
    base = [m.value for m in _found(reference, own.name) if m.value and m.signature == own.signature]
    if own.value is None or not base or (own.name == SPEED and not own.value):
        return None
    value = fmean(base) / own.value if own.name == SPEED else own.value / fmean(base)
    name = (TIME_OVER if own.name == SPEED else OPERATIONS_OVER) + reference.method
    signature = {**own.signature, "relative to": reference.method}
    return Measurement(name, value, higher_is_better=False, n=own.n, signature=signature)
