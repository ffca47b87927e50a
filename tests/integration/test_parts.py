"""A run in parts, each of which knows nothing of the others, is the run in one piece."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.run import experiment, parts
from bench.run.checks import prepare
from bench.run.config import Part, RunConfig, part_of, run_config
from tests.conftest import Command

from .test_at_once import ROOT, numbers, started

ROWS = ("downsample:8", "jpeg:q=50", "toy")


def config(plugin: str, out: Path, **changes: object) -> RunConfig:
    """A row that is trained for two seeds, and two that are not trained."""
    small = {"preset": "smoke", "limit": 32, "eval_limit": 8, "set": ("images_seen=64", "previews=0")}
    stages = ("train", "recon")
    asked = {"methods": ROWS, "seeds": (0, 1), "plugin": (plugin,), "out": out, "stages": stages, **small, **changes}
    return RunConfig(**asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/", "a/b", "-1/3", "1/3/3", "1/0", ""])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a part; write I/N"):
        RunConfig(("toy",), part=text)


def test_a_part_is_read_from_flags_and_files_and_stands_in_no_result(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("methods: toy\npart: 2/3\n")
    read = run_config({}, file)
    assert part_of(read.part) == Part(2, 3)
    assert part_of(run_config({"methods": ["toy"], "part": ["1/2"]}, None).part) == Part(1, 2)
    assert read.arguments == RunConfig(("toy",)).arguments
    assert "part" not in read.arguments


def test_every_cell_is_in_one_part_with_those_of_its_training(toy: str, tmp_path: Path) -> None:
    rows = ("brics", "jpeg:q=50", "toy", "brics:noise=true")
    everything = prepare(config(toy, tmp_path, methods=rows)).jobs
    assert len(everything) == 7
    for count in range(1, 9):
        dealt = [parts.dealt(everything, Part(i, count)) for i in range(1, count + 1)]
        assert sorted(id(job) for part in dealt for job in part) == sorted(map(id, everything))
        trainings = [{parts.training(job) for job in part} for part in dealt]
        assert sum(map(len, trainings)) == len(set().union(*trainings)) == 5, "brics and toy twice, jpeg"
        assert max(map(len, trainings)) - min(map(len, trainings)) <= 1
    again = prepare(config(toy, tmp_path, methods=rows)).jobs
    assert [parts.training(job) for job in again] == [parts.training(job) for job in everything]


@pytest.fixture
def whole(toy: str, tmp_path: Path) -> dict[str, object]:
    """The numbers of the run in one piece."""
    experiment.run(config(toy, tmp_path / "whole"))
    return numbers(tmp_path / "whole")


def test_parts_make_the_results_of_the_whole(toy: str, tmp_path: Path, whole: dict[str, object]) -> None:
    for part in ("2/2", "1/2"):
        results = experiment.run(config(toy, tmp_path / "parts", part=part))
        assert results
        assert not any(result.status == "failed" for result in results)
    assert numbers(tmp_path / "parts") == whole


def test_a_part_without_cells_ends_well(toy: str, tmp_path: Path, command: Command) -> None:
    asked = ["run", "--methods", "jpeg:q=50", "--preset", "smoke", "--stages", "recon", "--eval-limit", "8"]
    done = command(*asked, "--out", str(tmp_path / "r"), "--part", "2/2")
    assert done.code == 0, done.err
    assert "part 2/2 has no cell" in done.err


def test_the_script_of_the_readme_runs_a_part(tmp_path: Path) -> None:
    blocks = re.findall(r"```bash\n(#!/bin/bash.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    assert len(blocks[0].splitlines()) == 10
    (tmp_path / "array.sh").write_text(blocks[0].replace("/shared", str(tmp_path)))
    (tmp_path / "run.yaml").write_text("methods: jpeg:q=50,jpeg:q=90\npreset: smoke\nstages: recon\neval-limit: 8\n")
    places = {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    array = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "2"}
    program = ["bash", "-e", "array.sh"]
    done = subprocess.run(
        program, cwd=tmp_path, env={**os.environ, **places, **array}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {path.parts[-3] for path in (tmp_path / "results").rglob("*.json")} == {"jpeg+q=90"}


@pytest.mark.slow
def test_three_parts_at_once_then_a_report_give_the_table_of_one_run(tmp_path: Path, command: Command) -> None:
    methods = "downsample:8,jpeg:q=50,jpeg:q=80,vqgan,brics,rqvae"
    asked = ("run", "--methods", methods, "--preset", "smoke", "--device", "cpu", "--out")
    runs = [started(tmp_path / "c", *asked, str(tmp_path / "three"), "--part", f"{i}/3") for i in (1, 2, 3)]
    said = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], "\n".join(said)
    alone = started(tmp_path / "alone", *asked, str(tmp_path / "one"))
    assert alone.communicate()[1] is not None
    assert alone.returncode == 0
    assert numbers(tmp_path / "three") == numbers(tmp_path / "one")
    tables = []
    for name in ("three", "one"):
        done = command("report", "-r", str(tmp_path / name), "--out", str(tmp_path / f"report-{name}"))
        assert done.code == 0, done.err
        files = sorted((tmp_path / f"report-{name}").glob("comparison*.csv"))
        assert files
        tables.append([re.sub(r"three|one", "", file.read_text()) for file in files])
    assert tables[0] == tables[1]
