"""The commit in a result: of this program's checkout, dirty exactly where its code is not what was committed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = "import json; from bench.results.provenance import commit; print(json.dumps(commit()))"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A committed copy of the program."""
    home = tmp_path / "checkout"
    for package in ("bench", "methods"):
        shutil.copytree(ROOT / package, home / package, ignore=shutil.ignore_patterns("__pycache__"))
    (home / ".gitignore").write_text("__pycache__/\n")
    git(home, "init", "--quiet")
    git(home, "add", ".")
    git(home, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "-m", "All")
    return home


def git(home: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(home), *arguments], capture_output=True, text=True, check=True).stdout


def commit(home: Path, folder: Path) -> dict:
    """What the program below ``home`` says of itself when it is run in ``folder``."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("place", [".", "bench", ".."])
def test_a_clean_checkout_is_clean_from_every_folder(checkout: Path, place: str) -> None:
    assert commit(checkout, checkout / place) == {"id": git(checkout, "rev-parse", "HEAD").strip(), "dirty": False}


@pytest.mark.parametrize("place", [".", "bench", ".."])
def test_a_modified_file_makes_it_dirty(checkout: Path, place: str) -> None:
    with (checkout / "bench" / "core" / "images.py").open("a") as file:
        file.write("# changed\n")
    assert commit(checkout, checkout / place)["dirty"] is True


def test_an_untracked_module_makes_it_dirty_and_a_file_elsewhere_does_not(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("no code")
    assert commit(checkout, checkout)["dirty"] is False
    (checkout / "methods" / "mine.py").write_text("")
    assert commit(checkout, checkout)["dirty"] is True


def test_an_installed_copy_names_no_commit(checkout: Path, tmp_path: Path) -> None:
    """The packages of a wheel lie below a folder that is no checkout, or below somebody else's."""
    for site in (tmp_path / "site-packages", checkout / "venv" / "site-packages"):
        for package in ("bench", "methods"):
            shutil.copytree(checkout / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
        assert commit(site, tmp_path) == {"id": None, "dirty": None}
