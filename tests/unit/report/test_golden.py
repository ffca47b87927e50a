"""Markdown, LaTeX and CSV of known results and of the literature, byte by byte.

After a wanted change: BENCH_REGENERATE_GOLDEN=1 pytest tests/unit/report/test_golden.py, and read the diff.
"""

import difflib
import os
from pathlib import Path

import pytest

from bench.report.choice import concise
from bench.report.literature import literature
from bench.report.quoted import load_quoted
from bench.report.tables import tables
from bench.report.writers.latex import to_latex
from bench.report.writers.text import to_csv, to_markdown, to_text
from tests.unit.report.sample_results import usual

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "report"
WRITERS = {"md": to_markdown, "tex": to_latex, "csv": to_csv, "txt": to_text}


def made():
    own = tables(usual(), ("comparison", "cost"))
    church = literature(load_quoted(ROOT / "results" / "quoted"), "church")
    return {table.key: table for table in (*own, *church)}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("key", made())
def test_tables_are_as_they_were(key, kind):
    path = GOLDEN / f"{key}.{kind}"
    table = made()[key]
    text = WRITERS[kind](table if kind == "csv" else concise(table))
    if os.environ.get("BENCH_REGENERATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8")
    diff = "".join(difflib.unified_diff(expected.splitlines(True), text.splitlines(True), "golden", "now"))
    assert text == expected, diff
