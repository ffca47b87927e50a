"""Where results lie: unlike images and unlike recipes share no file, and what is replaced is kept and said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.core.files import folder_name, plain_name

from ..conftest import Command


def pictures(folder: Path, seed: int, count: int = 6) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        pixels = np.random.default_rng(seed + i).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def run(tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch, command: Command):
    monkeypatch.setenv("BENCH_CACHE", str(shared_cache))

    def asked(*more: str):
        return command(
            "run",
            "--methods",
            "jpeg:q=50",
            "--preset",
            "smoke",
            "--stages",
            "recon",
            "--out",
            str(tmp_path / "r"),
            *more,
        )

    return asked


def found(out: Path) -> dict[str, float]:
    return {
        str(path.relative_to(out)): next(
            m["value"] for m in json.loads(path.read_text())["metrics"] if m["name"] == "psnr"
        )
        for path in sorted(out.rglob("recon.json"))
    }


def test_two_folders_of_one_name_have_two_places_and_two_rows(run, tmp_path: Path, command: Command) -> None:
    for seed, place in enumerate("ab"):
        assert run("--dataset", f"testset:{pictures(tmp_path / place / 'imgs', 100 * seed)}").code == 0
    results = found(tmp_path / "r")
    assert len(results) == 2
    assert len(set(results.values())) == 2
    assert all(name.startswith("testset+imgs-") for name in results)
    done = command("report", "-r", str(tmp_path / "r"), "--out", str(tmp_path / "report"), "--format", "csv")
    assert done.code == 0, done.err
    (table,) = (tmp_path / "report" / "tables").glob("*comparison.csv")
    assert table.read_text().count("jpeg:q=50 (val images=") == 2


def test_names_in_another_script_share_no_file_of_a_report(run, tmp_path: Path, command: Command) -> None:
    for seed, name in enumerate(("фото", "кино")):
        assert run("--dataset", f"testset:{pictures(tmp_path / name, 100 * seed)}").code == 0
    assert command("report", "-r", str(tmp_path / "r"), "--out", str(tmp_path / "report")).code == 0
    tables = list((tmp_path / "report" / "tables").glob("*comparison-*.csv"))
    assert len(tables) == 2
    assert len({table.read_text() for table in tables}) == 2


def test_a_change_of_the_preset_has_a_place_of_its_own_and_the_default_keeps_its(run, tmp_path: Path) -> None:
    assert run("--eval-limit", "8", "--set", "flip=false").code == 0
    assert run().code == 0
    assert {Path(name).parts[0] for name in found(tmp_path / "r")} == {
        "photos-smoke",
        "photos-smoke-flip=false+eval-limit=8",
    }


def test_what_takes_the_place_of_another_recipe_is_said_and_the_other_kept(run, tmp_path: Path) -> None:
    assert run("--stages", "recon").code == 0
    folder = tmp_path / "r" / "photos-smoke" / "jpeg+q=50" / "seed0"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    file = folder / "recon.json"
    key = json.loads(file.read_text())["key"]
    file.write_text(file.read_text().replace(key, "0" * 64))
    done = run("--stages", "recon")
    assert f"is kept: {file}.00000000.superseded" in done.err
    kept = {path.name for path in folder.glob("*.superseded")}
    assert kept == {f"{name}.00000000.superseded" for name in before if name.startswith("recon.")}
    assert (folder / "recon.parquet.00000000.superseded").read_bytes() == before["recon.parquet"]


NAMES = [
    "фото",
    "кино",
    "a b",
    "a_b",
    "a:b",
    "a.b",
    "a/b",
    "A%20b",
    "x" * 300,
    "x" * 301,
    "folder:a.b",
    "folder:a_b",
    "a\udcff",
]


@pytest.mark.parametrize("naming", [folder_name, plain_name])
def test_two_names_never_share_a_file(naming) -> None:
    made = [naming(name) for name in NAMES]
    assert len(set(made)) == len(NAMES)
    assert all(len(name.encode()) <= 255 or naming is plain_name for name in made)


def test_the_names_of_committed_reports_stay() -> None:
    assert plain_name("folder:tiny-imagenet-64.zip-small") == "folder_tiny-imagenet-64_zip-small"
    assert plain_name("photos-small-comparison") == "photos-small-comparison"
    assert folder_name("folder:kodak") == "folder+kodak"
