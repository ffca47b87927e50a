"""A whole report: its files, its check, its speed, ties and intervals, and that it loads no torch."""

import io
import json
import math
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from bench.errors import IntegrityError, UsageError
from bench.report import build, examples, figures, plots
from bench.report.load import load
from bench.report.significance import with_statistics
from bench.report.tables import tables
from bench.results.record import Measurement, to_json
from bench.results.store import Place
from tests.unit.report.sample_results import comparison, number, per_image, recon, result, usual


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def strip(shade, side=16, count=16):
    y, x = np.mgrid[:side, : side * count]
    original = np.stack([x % 256, (y * 16) % 256, (x + y) % 256], axis=-1).astype(np.uint8)
    return png(np.concatenate([original, (original // shade * shade).astype(np.uint8)]))


def write(root, results, examples=True):
    for r in results:
        place = Place(root, r.dataset, r.preset, r.method, r.seed)
        place.write(r)
        if examples and r.stage == "recon":
            (place.folder / "recon.examples.png").write_bytes(strip(16 + 8 * len(r.method)))
    return root


def full():
    """The usual results with everything that figures are drawn from."""
    curve = [{"images": 100.0 * i, "generator/total": math.exp(-i / 9) + 0.1} for i in range(1, 30)]
    previews = [{"images": 500.0 * i, "psnr": 15 + i / 2} for i in range(6)]
    made = []
    for r in usual():
        if r.stage == "train":
            r = replace(r, facts={**r.facts, "curve": curve, "previews": previews})
        if r.stage == "recon":
            speed = Measurement("decode-images-per-second", 50.0 + len(r.method), "images/s", True)
            counts = [1000 // (1 + i // 8) for i in range(64)]
            r = replace(r, facts={**r.facts, "code_counts": counts}, metrics=(*r.metrics, speed))
        made.append(r)
    return [*made, result("brics", "cost", [number("decoder-gmac", 0.03, False)], seed=1)]


def make(results, out, *formats):
    options = build.Options(formats=formats or build.FORMATS)
    content = build.content(load([results]), (), options)
    build.write(content, out)
    return content


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Results and their whole report, made once for all tests."""
    root = tmp_path_factory.mktemp("once")
    write(root / "results", full())
    make(root / "results", root / "report")
    return root


@pytest.fixture
def results(once, tmp_path):
    return Path(shutil.copytree(once / "results", tmp_path / "results"))


@pytest.fixture
def out(once, tmp_path):
    return Path(shutil.copytree(once / "report", tmp_path / "report"))


def content_of(results):
    return build.content(load([results]), (), build.Options())


def test_all_formats_are_written_and_follow_from_the_results(results, out):
    content = content_of(results)
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    for name in ("report.md", "report.tex", "report.json", "index.html", "figures.json", "model-index/vqgan.yml"):
        assert name in names
    for kind in ("rate-distortion", "quality-gmac", "quality-time", "training", "code-use"):
        assert {f"figures/photos-smoke-{kind}.svg", f"figures/photos-smoke-{kind}.png"} <= names
    assert "figures/photos-smoke-reconstructions.png" in names
    assert "figures/photos-smoke-reconstructions.svg" not in names  # pixels
    for table in content.tables:
        assert {f"tables/{table.key}.csv", f"tables/{table.key}.tex"} <= names
    assert build.check(content, out) == []


def test_a_report_is_made_of_the_results_alone(results, out, tmp_path):
    """The same results from another folder give the same bytes."""
    other = tmp_path / "elsewhere"
    results.rename(other)
    again = shutil.copytree(out, tmp_path / "again")
    (again / "figures" / "photos-smoke-training.svg").unlink()
    make(other, again)
    assert build.check(content_of(other), again) == []
    for path in out.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(out)).read_bytes(), path
            assert str(tmp_path).encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda out: (out / "report.md").write_text((out / "report.md").read_text().replace("22.70", "23.70")), "line"),
        (lambda out: (out / "tables" / "photos-smoke-cost.csv").unlink(), "missing"),
        (lambda out: (out / "figures" / "photos-smoke-training.png").unlink(), "missing"),
        (lambda out: (out / "tables" / "old.csv").write_text("x"), "no result accounts"),
        (lambda out: (out / "index.html").write_text((out / "index.html").read_text() + " "), "index.html"),
        (lambda out: (out / "figures.json").unlink(), "other data"),
    ],
)
def test_the_check_finds_what_does_not_follow(results, out, damage, said):
    damage(out)
    problems = build.check(content_of(results), out)
    assert problems
    assert said in " ".join(problems)


def test_the_check_finds_results_that_changed(results, out, tmp_path, run_bench):
    assert run_bench("report", "-r", results, "--out", out, "--quoted", tmp_path / "none", "--check").returncode == 0
    write(results, [recon("brics", 22.9, 0.70, 0.23, grid=16, bits=1.28)])
    done = run_bench("report", "-r", results, "--out", out, "--quoted", tmp_path / "none", "--check")
    assert done.returncode == 1
    assert "drawn from other data" in done.stdout
    assert "does not follow from the results" in done.stderr


def test_unchanged_figures_are_kept_and_changed_ones_drawn_again(results, out):
    kept, drawn = (out / "figures" / f"photos-smoke-{kind}.svg" for kind in ("training", "rate-distortion"))
    kept.write_bytes(b"<svg/>")
    write(results, [recon("brics", 23.9, 0.70, 0.23, grid=16, bits=1.28)])
    before = drawn.read_bytes()
    make(results, out)
    assert kept.read_bytes() == b"<svg/>"
    assert drawn.read_bytes() != before


def test_formats_can_be_chosen(results, tmp_path, run_bench):
    out = tmp_path / "report"
    assert run_bench("report", "-r", results, "--out", out, "--format", "md,json").returncode == 0
    assert sorted(path.name for path in out.iterdir()) == ["report.json", "report.md"]
    wrong = run_bench("report", "-r", results, "--format", "markdown")
    assert wrong.returncode == 2
    assert "Did you mean" in wrong.stderr or "There are" in wrong.stderr


def test_the_model_index_carries_value_and_protocol(out):
    (entry,) = yaml.safe_load((out / "model-index" / "vqgan.yml").read_text())["model-index"]
    (found,) = entry["results"]
    psnr = next(m for m in found["metrics"] if m["type"] == "psnr")
    assert psnr["value"] == pytest.approx(22.1)
    assert psnr["args"]["reference"] == "val#ab12"
    assert found["dataset"] == {"name": "photos", "type": "photos", "config": "smoke"}


def test_plot_draws_single_figures_and_names_what_there_is(results, tmp_path, run_bench):
    listed = run_bench("plot", "-r", results)
    assert "photos-smoke-rate-distortion\tRate and distortion: photos, smoke" in listed.stdout
    file = tmp_path / "rd.png"
    assert run_bench("plot", "rate-distortion", "-r", results, "--out", file).returncode == 0
    assert Image.open(file).size[0] > 500
    assert run_bench("plot", "samples", "-r", results).returncode == 2
    assert "Did you mean 'training'" in run_bench("plot", "trainning", "-r", results).stderr


def test_pictures_beside_results_become_figures(tmp_path, run_bench):
    write(tmp_path, [result("a", "sample"), result("a", "gen"), recon("dct", 20.0)], examples=False)
    for name, folder in (("sample.grid", "a"), ("gen.neighbours", "a"), ("recon.placement", "dct")):
        (tmp_path / "photos-smoke" / folder / "seed0" / f"{name}.png").write_bytes(strip(32))
    names = [plan.name for plan in figures.plans(load([tmp_path]))]
    assert names == [f"photos-smoke-{kind}" for kind in ("samples", "neighbours", "placement")]
    assert run_bench("plot", "neighbours", "-r", tmp_path, "--out", tmp_path / "n.svg").returncode == 0
    assert (tmp_path / "n.svg").read_text().startswith("<?xml")


def test_a_rate_distortion_figure_needs_two_rows_with_a_rate(tmp_path):
    write(tmp_path, [recon("a", 20.0, bits=1.0), recon("b", 21.0)], examples=False)
    assert figures.plans(load([tmp_path])) == []
    write(tmp_path, [recon("c", 22.0, bits=2.0)], examples=False)
    assert [plan.name for plan in figures.plans(load([tmp_path]))] == ["photos-smoke-rate-distortion"]


def test_equal_inputs_give_an_equal_figure_and_labels_are_not_mathematics(tmp_path):
    write(tmp_path, [recon("$\\frac{", 20.0, bits=1.0), recon("a\x07_^", 21.0, bits=2.0)], examples=False)
    (plan,) = figures.plans(load([tmp_path]))
    assert plots.save(plan.draw(), "svg") == plots.save(plan.draw(), "svg")


def test_strips_come_apart_as_they_were_put_together(tmp_path):
    data = strip(64, side=8, count=5)
    originals, made = examples.split_strip(data, tmp_path)
    assert originals.shape == made.shape == (5, 8, 8, 3)
    whole = np.asarray(Image.open(io.BytesIO(data)))
    assert (originals[3] == whole[:8, 24:32]).all()
    assert (made[4] == whole[8:, 32:40]).all()
    for bad in (b"no", png(np.zeros((10, 12, 3), np.uint8)), png(np.zeros((9, 9, 3), np.uint8))):
        with pytest.raises(UsageError, match=r"PNG|strip"):
            examples.count_in_strip(bad, tmp_path / "x.png")


# Ties and intervals ---------------------------------------------------------------------------------------------


def with_values(root, values):
    for method, psnr in values.items():
        r = per_image(recon(method, float(np.mean(psnr))), len(psnr))
        images = np.array([f"{i}.png" for i in range(len(psnr))])
        Place(root, r.dataset, r.preset, method, 0).write(r, {"image": images, "psnr": np.asarray(psnr)})
    loaded = load([root])
    return loaded, comparison([item.result for item in loaded])


def test_ties_are_marked_where_no_test_tells_rows_apart(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.normal(22, 3, 300)
    values = {"best": base, "tied": base + rng.normal(-0.01, 0.5, 300), "worse": base - rng.gamma(2, 0.1, 300)}
    loaded, made = with_values(tmp_path, values)
    (table,) = with_statistics(made, loaded, intervals=False)
    cells = {row.label: row.cells[0] for row in table.rows}
    assert [cells[k].tied for k in ("best", "tied", "worse")] == [False, True, False]
    assert "≈ marks" in table.remark
    assert cells["best"].mark == "best"
    assert all(cell.interval is None for cell in cells.values())


def test_ties_over_seeds_where_there_are_no_values_per_image(tmp_path):
    runs = {"best": (9.0, 9.4), "tied": (9.3, 9.5), "worse": (20.0, 20.1)}
    gen = [
        result(m, "gen", [number("fd-r64", v, False)], k) for m, values in runs.items() for k, v in enumerate(values)
    ]
    write(tmp_path, gen)
    loaded = load([tmp_path])
    made = tables([item.result for item in loaded], ("generation",))
    (table,) = (t for t in with_statistics(made, loaded, intervals=False) if t.name == "generation")
    assert {row.label: row.cells[0].tied for row in table.rows} == {"best": False, "tied": True, "worse": False}


def test_intervals_are_given_on_request_and_hold_the_mean(tmp_path):
    loaded, made = with_values(tmp_path, {"a": np.random.default_rng(1).normal(22, 3, 100)})
    (table,) = with_statistics(made, loaded, intervals=True)
    cell = table.rows[0].cells[0]
    low, high = cell.interval
    assert low < cell.value < high
    assert high - low == pytest.approx(2 * 1.96 * 3 / 10, rel=0.3)
    assert "95 % bootstrap" in table.remark


def test_a_missing_table_of_values_is_an_integrity_error(tmp_path):
    loaded, made = with_values(tmp_path, {"a": np.ones(4)})
    loaded[0].beside("recon.parquet").write_bytes(b"not parquet")
    with pytest.raises(IntegrityError, match=r"recon\.parquet"):
        with_statistics(made, loaded, intervals=True)


# Size and speed --------------------------------------------------------------------------------------------------


def many(root):
    """1,000 results: 5 stages, 67 methods, 3 seeds, with a provenance block of ordinary size."""
    provenance = {"packages": {f"package-{i}": "1.0" for i in range(150)}, "hardware": {"cpu": "x"}}
    made = []
    for i in range(67):
        for seed in range(3):
            method = f"method{i}"
            made += [
                recon(method, 20 + i / 50 + seed / 100, 0.7, 0.2, seed, grid=16, bits=1 + i / 9),
                result(method, "train", seed=seed, facts={"images_seen": 24000, "seconds": 60.0 + i}),
                result(method, "cost", [number("decoder-gmac", 0.01 * (i + 1), False)], seed),
                result(method, "prior", seed=seed, facts={"images_seen": 24000, "seconds": 9.0}),
                result(method, "gen", [number("fd-r64", 9.0 + i, False)], seed),
            ]
    for r in made[:1000]:
        path = Place(root, r.dataset, r.preset, r.method, r.seed).file(r.stage)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_json(replace(r, provenance=provenance)))


def test_a_thousand_results_take_under_five_seconds(tmp_path):
    many(tmp_path / "results")
    start = time.process_time()
    content = make(tmp_path / "results", tmp_path / "report")
    assert time.process_time() - start < 5
    assert len(content.tables[0].rows) == 67


def test_reports_and_gates_load_no_torch(results, tmp_path):
    formats = "md,latex,csv,json,html,model-index"
    code = (
        "import sys\nfrom bench.cli import main\n"
        f"sys.argv = ['bench', 'report', '-r', {str(results)!r}, '--out', {str(tmp_path)!r}, '--format', {formats!r}]\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code, done.code\n"
        "import bench.regression.compare, bench.report.plots, bench.cli.compare\n"
        "print(json.dumps([m for m in ('torch', 'torchvision', 'diffusers') if m in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", "import json\n" + code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_readme_shows_the_table_and_a_figure_and_is_checked(results, out, tmp_path, run_bench):
    readme = tmp_path / "README.md"
    readme.write_text("# Mine\n\n<!-- table: begin -->\nstale text\n<!-- table: end -->\n\nThe end.\n")
    command = ("report", "-r", results, "--out", out, "--quoted", tmp_path / "none", "--readme", readme)
    assert run_bench(*command, "--check").returncode == 1
    assert run_bench(*command).returncode == 0
    text = readme.read_text()
    assert "| brics |" in text
    assert "](report/figures/photos-smoke-reconstructions.png)" in text
    assert "stale text" not in text
    assert text.startswith("# Mine\n")
    assert text.endswith("The end.\n")
    assert run_bench(*command, "--check").returncode == 0
    readme.write_text("no marks")
    refused = run_bench(*command)
    assert refused.returncode == 2
    assert "table: begin" in refused.stderr
