"""Decode time and operations relative to VQGAN: only of what was clocked under the same conditions."""

from __future__ import annotations

import pytest

from bench.report.tables import tables
from bench.results.record import Measurement, Result
from tests.unit.report.sample_results import number, result
from tests.unit.report.test_tables import cell, notes

HERE, THERE = {"hardware": "a", "batch": 64}, {"hardware": "b", "batch": 64}


def clocked(method: str, speed: float, signature: dict, seed: int = 0) -> Result:
    return result(
        method, "recon", [Measurement("decode-images-per-second", speed, "images/s", True, 64, None, signature)], seed
    )


def counted(method: str, gmac: float) -> Result:
    return result(method, "cost", [number("decoder-gmac", gmac, False, {"convention": "gmac"})])


def cost(results: list[Result]):
    (table,) = tables(results, ("cost",))
    return table


def test_time_and_operations_are_ratios_to_the_first_clocked_vqgan() -> None:
    table = cost(
        [
            *(counted("vqgan:16x16", 126.0), clocked("vqgan:16x16", 9.0, HERE), clocked("vqgan:16x16", 11.0, HERE, 1)),
            *(counted("brics", 63.0), clocked("brics", 20.0, HERE)),
            *(counted("vqgan:32x32", 120.0), clocked("vqgan:32x32", 5.0, THERE)),
        ]
    )
    time, operations = "decode-time-over-vqgan:16x16", "decoder-gmac-over-vqgan:16x16"
    names = [column.name for column in table.columns]
    assert names.index(time) == names.index(operations) + 1
    assert "decode time, vqgan:16x16 = 1 ↓" in [column.heading for column in table.columns]
    assert cell(table, "brics", time).value == pytest.approx(0.5)
    assert cell(table, "brics", operations).value == pytest.approx(0.5)
    assert cell(table, "vqgan:16x16", operations).value == 1
    assert cell(table, "vqgan:16x16", time).value == pytest.approx((10 / 9 + 10 / 11) / 2)
    elsewhere = cell(table, "vqgan:32x32", time)
    assert elsewhere.value is None
    assert "conditions of the row that is 1" in notes(table, elsewhere)


@pytest.mark.parametrize("results", [[clocked("brics", 20.0, HERE)], []])
def test_without_a_clocked_vqgan_there_are_no_ratios(results: list[Result]) -> None:
    table = cost([counted("vqgan", 126.0), counted("brics", 63.0), *results])
    assert not [column.name for column in table.columns if "-over-" in column.name]
