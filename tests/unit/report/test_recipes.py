"""Only equal recipes with different seeds are seeds of one row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.report.recipes import apart
from bench.report.tables import tables
from bench.results.record import Result

from .sample_results import recon, result


def made(psnr: float, seed: int = 0, **arguments: object) -> Result:
    found = recon("vqgan", psnr, seed=seed, arguments=arguments)
    return replace(found, key=f"{seed}{sorted(arguments.items())}{psnr}")


def labels(results: list[Result]) -> list[str]:
    return [row.label for row in tables(results)[0].rows]


def psnr(results: list[Result]) -> list[tuple[str, float]]:
    table = tables(results)[0]
    column = [c.name for c in table.columns].index("psnr")
    return [(row.label, row.cells[column].value) for row in table.rows]


def test_two_precisions_of_one_seed_are_two_rows() -> None:
    results = [made(17.67), made(17.59, set=("precision=bf16-mixed",))]
    assert psnr(results) == [("vqgan", 17.67), ("vqgan (precision=bf16-mixed)", 17.59)]


def test_two_precisions_of_two_seeds_are_averaged_each_for_itself() -> None:
    half = {"set": ("precision=bf16-mixed",)}
    results = [made(17.0), made(16.0, **half), made(18.0, 1), made(17.0, 1, **half)]
    assert psnr(results) == [("vqgan", 17.5), ("vqgan (precision=bf16-mixed)", 16.5)]


def test_seeds_of_one_recipe_are_one_row() -> None:
    assert psnr([made(17.0), made(18.0, 1)]) == [("vqgan", 17.5)]
    half = {"set": ["precision=bf16-mixed"]}
    assert psnr([made(17.0, **half), made(18.0, 1, **half)]) == [("vqgan", 17.5)]


def test_one_result_named_twice_counts_once() -> None:
    results = [made(17.0), made(17.0), made(18.0, 1)]
    assert psnr(results) == [("vqgan", 17.5)]


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({"arguments": {}}, {"arguments": {"limit": 8}}, "limit=8"),
        ({"arguments": {}}, {"arguments": {"eval_limit": 8}}, "eval-limit=8"),
        ({"arguments": {}}, {"arguments": {"metric_protocol": "adm"}}, "metric-protocol=adm"),
        ({"settings": {"width": 6}}, {"settings": {"width": 8}}, "width=8"),
        ({"settings": {"net": {"width": 6}}}, {"settings": {"net": {"width": 8}}}, "net.width=8"),
        (
            {"provenance": {"data": {"val": {"digest": "a" * 64}}}},
            {"provenance": {"data": {"val": {"digest": "b" * 64}}}},
            "val images=bbbbbbbb",
        ),
        ({"provenance": {"commit": "1" * 40}}, {"provenance": {"commit": "2" * 40}}, "commit 2222222222"),
    ],
)
def test_whatever_differs_tells_rows_apart(one: dict, other: dict, said: str) -> None:
    results = [recon("vqgan", 17.0, **one), replace(recon("vqgan", 18.0, **other), key="another")]
    assert len(labels(results)) == 2
    assert labels(results)[1] == f"vqgan ({said})"


def test_other_code_under_one_commit_is_told_by_the_key() -> None:
    results = [recon("vqgan", 17.0), replace(recon("vqgan", 18.0), key="fedcba9876")]
    assert labels(results) == ["vqgan (key key)", "vqgan (key fedcba98)"]


def test_a_stage_that_no_difference_concerns_is_in_every_row() -> None:
    def gen(seeds: str) -> Result:
        found = result("vqgan", "gen", recon("", 1.0).metrics, arguments={"sample_seeds": seeds})
        return replace(found, key=seeds)

    found = apart([recon("vqgan", 17.0), gen("0-9"), gen("0-99")])
    assert [(r.stage, r.method) for r in found] == [
        ("recon", "vqgan (sample-seeds=0-9)"),
        ("recon", "vqgan (sample-seeds=0-99)"),
        ("gen", "vqgan (sample-seeds=0-9)"),
        ("gen", "vqgan (sample-seeds=0-99)"),
    ]


def test_done_twice_it_changes_nothing() -> None:
    results = [made(17.67), made(17.59, set=("precision=bf16-mixed",)), result("vqgan", "cost")]
    assert apart(apart(results)) == apart(results)
