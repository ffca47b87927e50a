"""Names that a POSIX system can hold in every text that is written, and what an unforeseen exception becomes."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from bench.results.store import Place
from tests.unit.report.sample_results import number, recon, result

ROOT = Path(__file__).parents[3]
LATIN = os.fsdecode(b"caf\xe9")
ESCAPE = "a\x1b[31mb"


@pytest.fixture
def program(tmp_path):
    def run(*arguments, **variables):
        environment = {**os.environ, "BENCH_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT), **variables}
        command = [sys.executable, "-m", "bench", *map(os.fsencode, map(str, arguments))]
        return subprocess.run(command, capture_output=True, env=environment, cwd=tmp_path, check=False)

    return run


def test_a_latin_1_file_name_reaches_the_table_of_values(program, tmp_path):
    for name, value in (("real", 0), ("fake", 9)):
        (tmp_path / name).mkdir()
        for file in (LATIN, "plain\n"):
            Image.fromarray(np.full((16, 16, 3), value, np.uint8)).save(tmp_path / name / f"{file}.png")
    arguments = ("score", "--real", tmp_path / "real", "--fake", tmp_path / "fake", "--metrics", "psnr")
    done = program(*arguments, "--per-image", tmp_path / "values.csv")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "values.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["image", r"caf\xe9.png", "plain\n.png"]
    (tmp_path / "fake" / f"{LATIN}.png").rename(tmp_path / "fake" / f"{LATIN}{ESCAPE}.png")
    done = program(*arguments)
    assert done.returncode == 2
    assert rb"caf\xe9a\x1b[31mb.png" in done.stderr
    assert b"\x1b" not in done.stderr


@pytest.mark.parametrize("name", [f"recons:{LATIN}=/data/{LATIN}", ESCAPE])
def test_every_format_of_report_and_comparison_takes_the_name(program, tmp_path, name):
    results = [
        recon(name, 22.0, lpips=0.2, title=name, grid=4),
        recon("vqgan", 21.0, lpips=0.3),
        result(name, "gen", [number("fd-r64", 4.0, False)]),
        result(name, "train", facts={"curve": [{"images": 1, "a/total": 1.0}, {"images": 2, "a/total": 0.5}]}),
    ]
    for one in results:
        place = Place(tmp_path / "out", one.dataset, one.preset, one.method, one.seed)
        place.write(one)
        assert place.existing(one.stage) == one
    done = program("report", "-r", tmp_path / "out", "--out", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "report").rglob("*"):
        if path.suffix in (".md", ".tex", ".csv", ".json", ".html", ".yml"):
            path.read_text(encoding="utf-8")
    labels = {
        row["method"] for table in json.loads((tmp_path / "report/report.json").read_text()) for row in table["rows"]
    }
    assert name in labels
    assert program("report", "-r", tmp_path / "out", "--out", tmp_path / "report", "--check").returncode == 0
    shutil.copytree(tmp_path / "out", tmp_path / "other")
    for file in (tmp_path / "other").rglob("recon.json"):
        file.write_text(file.read_text().replace("22.0", "20.0"))
    for form in ("md", "json", "junit"):
        said = program("compare", tmp_path / "out", tmp_path / "other", "--format", form)
        assert said.returncode == 1, said.stderr
        assert b"\x1b" not in said.stdout + said.stderr
        text = said.stdout.decode()
        assert form != "json" or name in {v["place"]["method"] for v in json.loads(text)["verdicts"]}
        assert form != "junit" or ElementTree.fromstring(text) is not None


def test_an_exception_that_nobody_foresaw_has_its_own_code_and_a_file_to_send(program, tmp_path):
    """A fault planted in a room of a copy of the program."""
    copy = tmp_path / "copy"
    for room in ("bench", "methods"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    place = copy / "bench" / "report" / "load.py"
    place.write_text(
        place.read_text().replace("    found: dict[Path, Loaded] = {}\n", "    raise KeyError('pl\\x1banted')\n")
    )
    Place(tmp_path / "out", "photos", "smoke", "vqgan", 0).write(recon("vqgan", 22.0))
    done = program("compare", tmp_path / "out", tmp_path / "out", PYTHONPATH=str(copy))
    assert done.returncode == 70
    assert done.stderr.count(b"\n") == 1
    assert b"Traceback" not in done.stderr
    assert b"KeyError" in done.stderr
    (report,) = (tmp_path / "cache" / "errors").iterdir()
    assert str(report).encode() in done.stderr
    text = report.read_text()
    for part in ("load.py", "Traceback", "compare", '"numpy"', "It holds no images"):
        assert part in text
    (tmp_path / "file").write_text("no folder")
    done = program(
        "compare",
        tmp_path / "out",
        tmp_path / "out",
        PYTHONPATH=str(copy),
        BENCH_CACHE=str(tmp_path / "file"),
        TMPDIR=str(tmp_path),
    )
    assert done.returncode == 70
    assert len(list(tmp_path.glob("bench-error-*.txt"))) == 1
