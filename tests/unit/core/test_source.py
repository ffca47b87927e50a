"""The digest of code: what changes it and what does not."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from bench.core.registry import load
from bench.core.source import Sources
from bench.errors import UsageError
from methods import METHODS

MAIN = '''
"""A plug-in."""
from typing import TYPE_CHECKING

import packaging
from fk_helpers import table
if TYPE_CHECKING:
    import fk_types

SIDE = 8  # pixels


def decode(codes):
    """Gives images."""
    from fk_helpers.late import scale

    return scale(codes) * SIDE
'''


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "fk_helpers").mkdir()
    (tmp_path / "fk_main.py").write_text(MAIN)
    (tmp_path / "fk_types.py").write_text("WIDTH = int\n")
    (tmp_path / "fk_helpers" / "__init__.py").write_text("")
    (tmp_path / "fk_helpers" / "table.py").write_text("from . import deep\n")
    (tmp_path / "fk_helpers" / "deep.py").write_text("ROWS = 3\n")
    (tmp_path / "fk_helpers" / "late.py").write_text("def scale(codes):\n    return codes + 1\n")
    (tmp_path / "fk_helpers" / "unused.py").write_text("X = 1\n")
    return tmp_path


def digest() -> str:
    return Sources().digest(["fk_main:decode"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SIDE = 8  # pixels", "SIDE = 8"),
        ("SIDE = 8  # pixels", "SIDE = (\n    8\n)  # the side"),
        ('"""Gives images."""', '"""Gives pictures."""\n    "and more"'),
        ('"""A plug-in."""', ""),
    ],
)
def test_comments_docstrings_and_formatting_do_not_count(home: Path, old: str, new: str) -> None:
    before = digest()
    assert old in MAIN
    (home / "fk_main.py").write_text(MAIN.replace(old, new))
    assert digest() == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("fk_main.py", MAIN.replace("SIDE = 8", "SIDE = 9")),
        ("fk_main.py", MAIN.replace("SIDE = 8", "SIDE = 8.0")),
        ("fk_main.py", MAIN.replace("SIDE = 8", "SIDE = '8'")),
        ("fk_main.py", MAIN.replace("* SIDE", "/ SIDE")),
        ("fk_main.py", MAIN.replace("def decode(codes)", "def decode(codes, *, noise=None)")),
        ("fk_helpers/__init__.py", "import os\n"),
        ("fk_helpers/table.py", "from . import deep\nY = 1\n"),
        ("fk_helpers/deep.py", "ROWS = 4\n"),
        ("fk_helpers/late.py", "def scale(codes):\n    return codes - 1\n"),
    ],
)
def test_everything_else_does_in_every_file_of_its_own(home: Path, file: str, text: str) -> None:
    before = digest()
    (home / file).write_text(text)
    assert digest() != before


@pytest.mark.parametrize("file", ["fk_types.py", "fk_helpers/unused.py"])
def test_what_is_not_imported_when_it_runs_does_not_count(home: Path, file: str) -> None:
    before = digest()
    (home / file).write_text("Z = 2\n")
    assert digest() == before


@pytest.mark.usefixtures("home")
def test_installed_libraries_are_not_read() -> None:
    sources = Sources()
    sources.digest(["fk_main"])
    assert sources._texts.keys() >= {"fk_main", "fk_helpers.late", "fk_helpers.deep"}
    assert not [name for name in sources._texts if name.partition(".")[0] in ("packaging", "typing", "fk_types")]


def test_a_room_that_only_joins_counts_where_it_is_named() -> None:
    sources = Sources()
    assert sources.digest(["bench.run.stages.recon"]) != sources.digest([], ["bench.run.stages.recon"])
    read = {name for name, text in sources._texts.items() if text is not None}
    assert "bench.metrics.measure" in read
    assert {name for name in read if name.startswith("bench.run")} == {"bench.run.stages.recon"}


def test_one_run_reads_every_method_in_less_than_three_tenths_of_a_second() -> None:
    entries = [load(path) for path in METHODS.values()]
    roots = [text for entry in entries for text in vars(entry).values() if isinstance(text, str) and ":" in text]
    roots = [root for root in roots if not root.endswith(".toml") and root.partition(":")[0].startswith("methods.")]
    assert len(roots) >= 12

    def seconds() -> float:
        began, sources = time.process_time(), Sources()
        for root in roots:
            sources.digest([root, "bench.train.loop", "bench.metrics.measure", "bench.evaluate.reconstruct"])
        return time.process_time() - began

    assert min(seconds() for _ in range(4)) < 0.3


def test_code_without_a_file_and_code_that_cannot_be_parsed_are_named(home: Path) -> None:
    with pytest.raises(UsageError, match="'fk_nowhere' has no file"):
        Sources().digest(["fk_nowhere:ENTRY"])
    (home / "fk_broken.py").write_text("def decode(:\n")
    with pytest.raises(UsageError, match=r"fk_broken\.py cannot be read"):
        Sources().digest(["fk_broken"])
    assert not [name for name in sys.modules if name.startswith("fk_")]
