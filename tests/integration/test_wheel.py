"""The wheel alone, in a folder without the checkout, runs the first command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("bench", "methods", "pyproject.toml", "README.md", "LICENSE")


@pytest.mark.slow
def test_a_wheel_runs_the_first_command_without_the_checkout(tmp_path: Path) -> None:
    tree, packages, elsewhere = tmp_path / "tree", tmp_path / "packages", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in SOURCES:
        source, target = ROOT / name, tree / name
        tree.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path / "wheel", tree], check=True)
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", packages, wheel], check=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(packages),
        "BENCH_CACHE": str(tmp_path / "cache"),
        "BENCH_WEIGHTS": "",
    }
    where = [sys.executable, "-c", "import bench, methods; print(bench.__file__, methods.__file__)"]
    said = subprocess.run(where, cwd=elsewhere, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.count(str(packages)) == 2
    asked = [sys.executable, "-m", "bench", "run", "--methods", "brics,vqgan", "--dataset", "photos"]
    asked += ["--preset", "smoke", "--out", "results"]
    done = subprocess.run(asked, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Comparison: photos" in done.stdout
    report = [sys.executable, "-m", "bench", "report", "-r", "results", "--out", "report"]
    done = subprocess.run(report, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "report" / "index.html").is_file()
