"""A metric is one file: put into the folder of formulas it is listed, measured, printed and gated."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
METRIC = """
from bench.metrics.entries import MetricEntry
from bench.results.record import Tolerance


def mean_error(reference, candidate, tools):
    return (reference.double() - candidate.double()).abs().mean(dim=(1, 2, 3)).cpu().numpy()


ROWS = (MetricEntry("mae", "Mean error", "pair", False, "levels", mean_error, Tolerance(0.5), decimals=1),)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The product with one more file."""
    root = tmp_path_factory.mktemp("product")
    for package in ("bench", "methods"):
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "bench" / "metrics" / "formulas" / "mean_error.py").write_text(METRIC)
    return root


def bench(copy, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(copy), "BENCH_CACHE": str(copy / "cache")}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


def test_it_is_in_the_list_the_results_the_tables_and_the_gate(copy):
    assert "mae Mean error, lower is better, levels" in " ".join(bench(copy, "list", "metrics").stdout.split())
    run = "run --methods downsample:4 --dataset photos --preset smoke --stages recon --eval-limit 4 --out before"
    done = bench(copy, *run.split())
    assert done.returncode == 0, done.stderr
    file = next((copy / "before").rglob("recon.json"))
    result = json.loads(file.read_text())
    found = next(m for m in result["metrics"] if m["name"] == "mae")
    assert 0 < found["value"] < 60
    assert found["higher_is_better"] is False

    assert bench(copy, "report", "-r", "before", "--out", "report").returncode == 0
    tables = json.loads((copy / "report" / "report.json").read_text())
    column = next(c for t in tables if t["table"] == "reconstruction" for c in t["columns"] if c["name"] == "mae")
    assert (column["title"], column["unit"], column["higher_is_better"]) == ("Mean error", "levels", False)
    rows = [line for line in (copy / "report" / "report.md").read_text().splitlines() if "| downsample:4" in line]
    assert any(f"| {found['value']:.1f} |" in row for row in rows)

    result["per_image"] = None
    for move, code in ((0.4, 0), (0.6, 1)):
        after = copy / f"after-{move}"
        shutil.copytree(copy / "before", after)
        found["value"] += move
        (after / file.relative_to(copy / "before")).write_text(json.dumps(result))
        gate = bench(copy, "compare", "before", str(after))
        assert gate.returncode == code, gate.stdout + gate.stderr
        found["value"] -= move
