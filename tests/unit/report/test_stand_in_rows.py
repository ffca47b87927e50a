"""Rows with stand-ins: labelled in every format, after the others, never ranked, and refused by gates."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.regression.compare import compare
from bench.regression.gates import Gates
from bench.regression.verdicts import exit_code
from bench.report.figures import plans
from bench.report.load import Loaded
from bench.report.published import against_published
from bench.report.stand_ins import apart
from bench.report.tables import tables
from bench.report.writers import html, latex, text
from bench.report.writers.model_index import model_index
from bench.results.record import Measurement, Result
from tests.unit.report.sample_results import comparison

RANDOM = {"weights": "stand-in alexnet#0123456789ab"}
REAL = {"weights": "alexnet-owt-7be5be79.pth#7be5be79aaaa"}


def result(method: str, stage: str, value: float, signature: dict, name: str = "lpips-alex") -> Result:
    metric = Measurement(name, value, higher_is_better=False, n=4, signature=signature)
    key = f"{method}{stage}{value}"
    return Result(stage, "ok", method, method.upper(), "photos", "paper", 0, key, metrics=(metric,))


def recon(method: str, value: float, signature: dict) -> Result:
    return result(method, "recon", value, signature)


REALS = [recon("a", 0.2, REAL), recon("b", 0.3, REAL)]
RANDOMS = [recon("c", 0.1, RANDOM), recon("d", 0.15, RANDOM), recon("e", 0.17, RANDOM)]


def test_such_rows_are_last_in_a_group_of_their_own_and_never_ranked() -> None:
    (table,) = comparison([*RANDOMS, *REALS])
    assert [row.label for row in table.rows] == ["a", "b", "c (stand-in)", "d (stand-in)", "e (stand-in)"]
    assert [row.group for row in table.rows] == ["", "", *["stand-in"] * 3]
    assert [row.cells[0].mark for row in table.rows] == ["best", "second", "", "", ""]
    assert dict(table.columns[0].signature) == REAL, "three random numbers do not outvote two real ones"
    assert all("stand-in alexnet#0123456789ab" in table.notes[row.notes[0]] for row in table.rows[2:])


def test_they_are_not_ranked_among_themselves() -> None:
    (table,) = comparison(RANDOMS)
    assert {cell.mark for row in table.rows for cell in row.cells} == {""}


@pytest.mark.parametrize("write", [text.to_markdown, text.to_text, text.to_csv, latex.to_latex])
def test_every_format_has_the_word_in_the_row(write) -> None:
    (table,) = comparison([*REALS, *RANDOMS])
    lines = [line for line in write(table).splitlines() if "(stand-in)" in line]
    assert len(lines) >= 3
    assert "stand-in" in html.to_html("t", "l", [table], (), ())


def test_a_method_with_and_without_has_two_rows_and_its_cost_in_both() -> None:
    cost = result("a", "cost", 5.0, {}, "decoder-gmac")
    labels = [r.method for r in apart([REALS[0], recon("a", 0.1, RANDOM), cost])]
    assert labels == ["a", "a (stand-in)", "a", "a (stand-in)"]
    assert [r.method for r in apart([recon("a", 0.1, RANDOM), cost])] == ["a (stand-in)"] * 2
    assert [r.method for r in apart([REALS[0], cost])] == ["a", "a"]


def test_apart_done_twice_changes_nothing() -> None:
    once = apart([*REALS, *RANDOMS])
    assert apart(once) == once


def loaded(results: list[Result]) -> list[Loaded]:
    return [Loaded(Path("/nowhere/recon.json"), r) for r in results]


def test_no_figure_model_card_or_table_of_published_numbers_has_them() -> None:
    signatures = {"a": {}, "b": {}, "c": {"trained with": "stand-in vgg16#0"}}
    psnr = [result(m, "recon", 20.0, s, "psnr") for m, s in signatures.items()]
    cost = [result(m, "cost", 5.0, {}, "decoder-gmac") for m in "abc"]
    (plan,) = [plan for plan in plans(loaded([*psnr, *cost])) if plan.name.endswith("quality-gmac")]
    assert [point[0] for point in plan.inputs["points"]] == ["a", "b"]
    assert set(model_index(tables([*REALS, *RANDOMS], ("reconstruction",)))) == {"a", "b"}
    assert against_published(RANDOMS, ()) == ()


@pytest.mark.parametrize(
    ("before", "after"), [(REAL, RANDOM), (RANDOM, REAL), (RANDOM, RANDOM)], ids=["current", "baseline", "both"]
)
def test_a_gate_refuses_them_on_either_side(before: dict, after: dict) -> None:
    verdicts = compare(loaded([recon("a", 0.2, before)]), loaded([recon("a", 0.2, after)]), Gates(), {})
    assert exit_code(verdicts) == 4
    assert "random weights in a pretrained network's place (stand-in alexnet#" in verdicts[0].sentence


def test_a_gate_refuses_their_speeds_too() -> None:
    mark = {"trained with": "stand-in vgg16#0123"}
    side = loaded([result("a", "train", 3.0, mark, "training-seconds")])
    assert exit_code(compare(side, side, Gates(), {})) == 4
