"""Decoder cost relative to a reference row: how many times its operations, and how many times its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from bench.record import Measurement, Result
from bench.report.cells import RowResults, name_of

REFERENCE = "vqgan"
"""The method whose first row that was clocked is the reference."""
SPEED, OPERATIONS = "decode-images-per-second", "decoder-gmac"
TIME_OVER, OPERATIONS_OVER = "decode-time-over-", "decoder-gmac-over-"


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
