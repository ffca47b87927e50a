"""The comparison table: means over seeds, marks, footnotes, the floor, signatures."""

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.numbers import fixed
from bench.report.table import Cell, Column
from bench.report.tables import mark, tables
from bench.report.writers.text import to_csv, to_json, to_markdown, to_text
from bench.results.record import Measurement
from tests.unit.report.sample_results import MISSING, SIGNATURE, comparison, number, recon, result, usual


def cell(table, method, column):
    row = next(row for row in table.rows if row.label == method)
    return row.cells[[c.name for c in table.columns].index(column)]


def notes(table, item):
    return " ".join(table.notes[index] for index in item.notes)


@pytest.fixture
def table():
    (made,) = comparison(usual())
    return made


def test_seeds_are_averaged_and_their_deviation_shown(table):
    found = cell(table, "vqgan", "psnr")
    assert found.value == pytest.approx(22.1)
    assert found.deviation == pytest.approx(0.1414, abs=1e-4)
    assert found.text == "22.10 ± 0.14"
    assert next(row for row in table.rows if row.label == "vqgan").seeds == (0, 1)
    assert cell(table, "brics", "psnr").text == "22.70"


def test_best_and_second_are_marked_in_the_direction_of_the_metric(table):
    assert [c.mark for c in (cell(table, m, "psnr") for m in ("brics", "vqgan", "downsample:16"))] == [
        "best",
        "second",
        "",
    ]
    assert cell(table, "brics", "lpips-squeeze").mark == "best"
    assert cell(table, "vqgan", "lpips-squeeze").mark == "best", "0.2300 is printed for both"
    assert cell(table, "downsample:16", "lpips-squeeze").mark == ""
    assert cell(table, "vqgan", "images-seen").mark == ""


def test_limited_rows_are_footnoted_and_not_ranked(table):
    row = next(row for row in table.rows if row.label == "jpeg:q=10")
    assert notes(table, row) == "Limited by --eval-limit, not ranked."
    assert all(not c.mark for c in row.cells)
    alike = [replace(r, limited=("limit",)) for r in usual()]
    (made,) = comparison(alike)
    assert cell(made, "brics", "psnr").mark == "best"
    assert notes(made, made.rows[0]) == "Limited by --limit."


def test_rows_of_one_limited_run_are_ranked_where_some_had_nothing_to_limit():
    asked = {"limit": 8, "set": ["images_seen=8"]}
    trained = ("brics", "vqgan")
    found = [replace(r, limited=("limit",) if r.method in trained else (), arguments=asked) for r in usual()]
    (made,) = comparison(found)
    assert cell(made, "brics", "psnr").mark == "best"
    assert cell(made, "vqgan", "psnr").mark == "second"
    (mixed,) = comparison([replace(r, arguments={}) if r.method not in trained else r for r in found])
    assert cell(mixed, "brics", "psnr").mark == "", "the others were not asked for that limit"


def test_distance_to_downsample_of_the_same_grid(table):
    assert cell(table, "brics", "psnr-over-downsample").text == "+2.66"
    assert cell(table, "vqgan", "psnr-over-downsample").value == pytest.approx(2.06)
    assert cell(table, "downsample:16", "psnr-over-downsample").value is None
    assert cell(table, "jpeg:q=10", "psnr-over-downsample").value is None
    (other,) = comparison([recon("downsample:8", 17.9, grid=8), recon("vqgan", 22, grid=16)])
    assert "psnr-over-downsample" not in [c.name for c in other.columns]


def test_the_grid_is_read_from_the_code_shape_where_no_fact_names_it():
    results = [recon("downsample:16", 20.0, grid=16), replace(recon("rq", 24.0), facts={"code_shape": [4, 16, 16]})]
    (made,) = comparison(results)
    assert cell(made, "rq", "psnr-over-downsample").value == pytest.approx(4)


def test_a_list_of_codes_has_no_grid_even_where_its_axes_are_equal():
    listed = replace(recon("titok", 24.0), facts={"grid": None, "code_shape": [16, 16]})
    (made,) = comparison([recon("downsample:16", 20.0, grid=16), recon("vqgan", 22, grid=16), listed])
    assert cell(made, "vqgan", "psnr-over-downsample").value == pytest.approx(2)
    assert cell(made, "titok", "psnr-over-downsample").value is None


def test_no_distance_across_signatures():
    other = replace(recon("x", 1), metrics=(number("psnr", 24, signature={"n": 5}),), facts={"grid": [16, 16]})
    (made,) = comparison([recon("downsample:16", 20.0, grid=16), recon("y", 21.0), other])
    assert "psnr-over-downsample" not in [c.name for c in made.columns]


def test_a_number_of_another_signature_is_footnoted_and_never_ranked():
    odd = result("odd", metrics=[number("psnr", 99, signature={**SIGNATURE, "n": 8})])
    (made,) = comparison([odd, recon("a", 20.0), recon("b", 21.0)])
    found = cell(made, "odd", "psnr")
    assert (found.value, found.mark, found.comparable) == (99, "", False)
    assert notes(made, found) == "Other signature, not ranked (n: 8 instead of 64)."
    assert cell(made, "b", "psnr").mark == "best"


def test_seeds_of_another_signature_are_left_out_of_the_mean_and_said():
    odd = result("a", metrics=[number("psnr", 99, signature={"n": 8})], seed=1)
    (made,) = comparison([recon("a", 20.0), odd, recon("b", 21.0)])
    found = cell(made, "a", "psnr")
    assert found.value == 20
    assert "1 of 2 seeds are absent or of another signature." in notes(made, found)


def test_absent_numbers_say_why(table):
    assert "lpips-vgg" not in [c.name for c in table.columns]
    assert [(a.name, a.title, a.reason) for a in table.absent] == [("lpips-vgg", "LPIPS (vgg)", MISSING)]
    assert (
        notes(table, cell(table, "brics", "decoder-gmac")) == "Absent: the stage 'cost' failed: the grid is too large"
    )
    assert "--stages cost" in notes(table, cell(table, "downsample:16", "decoder-gmac"))
    assert "--overwrite" in notes(table, cell(table, "jpeg:q=10", "lpips-squeeze"))
    one = replace(
        recon("c", 3.0), metrics=(number("psnr", 3.0), Measurement("ssim", None, reason="The image is flat."))
    )
    (made,) = comparison([one, recon("d", 4.0, 0.5)])
    assert notes(made, cell(made, "c", "ssim")) == "Absent: The image is flat."


def test_tables_are_made_per_dataset_preset_and_task():
    results = [*usual(), recon("x", 1, dataset="church"), recon("x", 1, preset="small"), recon("x", 1, task="colorize")]
    found = [(t.dataset, t.preset) for t in comparison(results)]
    assert found == [("photos", "smoke"), ("church", "smoke"), ("photos", "small"), ("photos, colorize", "smoke")]
    assert len({t.key for t in comparison(results)}) == 4
    names = [t.name for t in tables(usual())]
    assert names == ["comparison", "reconstruction", "cost", "training"]


def test_variants_of_one_method_that_were_sampled_make_an_ablation_table():
    fid = [result(f"brics:{v}", "gen", [number("fd-r64", d, False)]) for v, d in (("a+c", 7.8), ("b+d", 3.9))]
    made = tables([*fid, result("vqgan", "gen", [number("fd-r64", 5.0, False)])])
    assert [t.name for t in made] == ["generation", "ablation-brics"]
    assert [row.label for row in made[1].rows] == ["brics:a+c", "brics:b+d"]
    assert [row.cells[0].mark for row in made[1].rows] == ["second", "best"]


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6, allow_nan=False), st.booleans(), st.booleans()), min_size=0, max_size=12),
    st.sampled_from([True, False, None]),
)
def test_the_best_mark_is_always_on_the_best_comparable_value(items, higher):
    column = Column("x", "x", fixed(2), higher)
    cells = [Cell(value=None if gap else v, text=fixed(2)(v), comparable=ok) for v, ok, gap in items]
    marked = mark(column, cells)
    ranked = [c for c in marked if c.comparable and c.value is not None]
    best = [c for c in marked if c.mark == "best"]
    assert all(not c.mark for c in marked if not c.comparable or c.value is None)
    if higher is None or len(ranked) < 2:
        assert not any(c.mark for c in marked)
        return
    extreme = (max if higher else min)(c.value for c in ranked)
    assert next(c for c in ranked if c.value == extreme).mark == "best"
    assert {fixed(2)(c.value) for c in best} == {fixed(2)(extreme)}
    rest = [c for c in ranked if c.mark != "best"]
    if len(best) == 1:
        runner_up = (max if higher else min)(c.value for c in rest)
        assert {fixed(2)(c.value) for c in rest if c.mark == "second"} == {fixed(2)(runner_up)}
    else:
        assert not any(c.mark == "second" for c in marked)


def test_csv_holds_full_precision_and_is_inert_in_spreadsheets(table):
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    vqgan = next(row for row in rows if row["method"] == "vqgan")
    assert float(vqgan["psnr"]) == pytest.approx(22.1)
    assert float(vqgan["psnr-std"]) == pytest.approx(0.141421356)
    assert vqgan["seeds"] == "0 1"
    assert next(row for row in rows if row["method"] == "jpeg:q=10")["lpips-squeeze"] == ""
    (hostile,) = comparison([recon("=1+1", 1.0), recon('a,"b"\nc', 2.0)])
    labels = [row["method"] for row in csv.DictReader(io.StringIO(to_csv(hostile)))]
    assert labels == ["'=1+1", 'a,"b"\nc']


def test_json_holds_all_of_it(table):
    (data,) = json.loads(to_json([table]))
    assert data["columns"][0]["signature"] == SIGNATURE
    assert data["rows"][1]["cells"][0]["text"] == "22.10 ± 0.14"
    assert data["absent"][0]["reason"] == MISSING


def test_text_is_never_cut_off_and_repeats_the_methods(table):
    for width in (40, 70, 200):
        text = to_text(table, width)
        assert "22.10 ± 0.14" in text
        assert "Absent: LPIPS (vgg): their networks are not here; python -m bench fetch vgg16" in " ".join(text.split())
        assert all(len(line) <= max(width, 60) for line in text.splitlines() if "±" in line)
    assert to_text(table, 60).count("downsample:16") > to_text(table, 250).count("downsample:16")


def test_markdown_escapes_what_came_from_outside():
    (made,) = comparison([recon("<img src=x>|*a*`b`", 1.0, title="$x$"), recon("plain", 2.0)])
    text = to_markdown(made)
    assert "<img" not in text
    assert r"\|\*a\*\`b\`" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(len(line.replace(r"\|", "").split("|")) == len(made.columns) + 3 for line in rows)


def test_f1_is_made_from_precision_and_recall_of_the_same_features():
    metrics = [number("precision-r64", 0.6), number("recall-r64", 0.4), number("precision", 0.5)]
    (made,) = tables([result("a", "gen", metrics), result("b", "gen", metrics)], ("generation",))[:1]
    assert cell(made, "a", "f1-r64").value == pytest.approx(0.48)
    assert "f1" not in [c.name for c in made.columns]


@pytest.mark.parametrize(("precision", "recall"), [(0.8, 0.0), (0.0, 0.8), (0.0, 0.0)])
def test_f1_of_a_zero_is_zero_and_counts_among_the_seeds(precision, recall):
    gone, good = ([number("precision", p), number("recall", r)] for p, r in ((precision, recall), (0.5, 0.5)))
    (made,) = tables(
        [result("a", "gen", gone), result("a", "gen", good, seed=1), result("b", "gen", gone)], ("generation",)
    )[:1]
    assert cell(made, "b", "f1").value == 0
    assert cell(made, "a", "f1").value == pytest.approx(0.25)


def test_the_deviation_of_an_estimate_is_not_taken_for_that_of_seeds():
    (made,) = comparison([result("a", metrics=[number("kid", 0.02, False, deviation=0.001)])])
    found = cell(made, "a", "kid")
    assert "±" in found.text
    assert "within one run" in notes(made, found)


def test_rows_that_were_not_sampled_are_not_in_the_generation_table():
    sampled = result("a", "gen", [number("fd-r64", 1.0, higher=False)])
    (made,) = tables([sampled, recon("downsample:8", 20.0), recon("a", 22.0)], ("generation",))
    assert [row.label for row in made.rows] == ["a"]
