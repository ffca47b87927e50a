"""LaTeX that compiles, whatever the methods and citations are called."""

import shutil
import string
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bench.report.contradictions import contradictions
from bench.report.literature import literature
from bench.report.quoted import load_quoted
from bench.report.tables import tables
from bench.report.writers.latex import document, escape_latex, to_latex
from tests.unit.report.sample_results import recon, usual

needs_pdflatex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed: apt-get install texlive-latex-recommended"
)
HOSTILE = (
    string.printable,
    "\\end{table}\\input{/etc/passwd}",
    "$x^2_3$ & 100 % #1 ~ {a",
    "--''``<<>>,,?`!`",
    "日本語 Ω ñ ß œ ł € 😀 \u202e\u0000\u007f",
    "<script>alert(1)</script>",
)


def compiled(text, folder):
    (folder / "report.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "report.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    return log


def test_no_special_character_is_left_alone():
    for character in "\\{}$&%#_~^":
        assert escape_latex(character) != character
    assert escape_latex("a_b") == r"a\_b"
    assert escape_latex("--x") == "-{}-x"
    assert escape_latex("日") == "U+65E5"
    assert escape_latex("a\n\tb") == "a b"


def test_a_table_is_booktabs_with_marks_and_notes():
    (table,) = tables(usual(), ("comparison",))
    text = to_latex(table)
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\textbf{22.70}", r"\underline{22.10 $\pm$ 0.14}"):
        assert part in text
    assert r"\textsuperscript{1}" in text
    assert text.count("\\\\\n") == text.count(r"\begin{tabular}") * (len(table.rows) + 1)


def test_two_rows_may_have_one_label():
    (table,) = tables(usual(), ("comparison",))
    twice = replace(table, rows=(*table.rows, *table.rows))
    text = to_latex(twice)
    assert text.count("\\\\\n") == text.count(r"\begin{tabular}") * (2 * len(table.rows) + 1)


def test_a_table_higher_than_a_page_is_continued_on_the_next_with_words_broken(tmp_path):
    (table,) = tables(usual(), ("comparison",))
    words = replace(table.rows[0].cells[0], text="resolution, mislabelled, weights-not-named")
    line = replace(table.rows[0], cells=(words, *table.rows[0].cells[1:]))
    few = to_latex(replace(table, rows=(line,)))
    assert r"\begin{table}" in few
    assert "longtable" not in few
    assert r"resolution, mislabelled,\\weights-not-named}" in few
    for high in (replace(table, rows=(line,) * 60), replace(table, notes=("word " * 200,) * 12)):
        text = to_latex(high)
        parts = text.count(r"\begin{longtable}")
        assert parts == text.count(r"\addtocounter{table}{-1}") + 1
        assert text.count(r"\label{") == 1
        assert r"\begin{table}" not in text
    groups = to_latex(replace(table, rows=(line,) * 59 + (replace(line, group="apart"),)))
    for part in groups.split(r"\endlastfoot")[1:]:
        body = part.partition(r"\end{longtable}")[0].strip().split("\n")
        assert body.index(r"\midrule") == len(body) - 2, "the rule is before the row of the other group"
        assert len(body) == 61


@needs_pdflatex
def test_all_tables_compile_and_nothing_runs_over_the_margin_or_the_page(tmp_path):
    quoted = load_quoted(Path(__file__).parents[3] / "results" / "quoted")
    known = [*literature(quoted, "church"), *literature(quoted, "ffhq"), *contradictions(quoted, ())]
    log = compiled(document([*tables(usual()), *known]), tmp_path)
    assert "Overfull" not in log
    assert "Float too large" not in log
    assert (tmp_path / "report.pdf").stat().st_size > 10_000


@needs_pdflatex
def test_hostile_names_compile_and_are_printed_as_they_are(tmp_path):
    names = [recon(name, 20.0 + i, status="ok") for i, name in enumerate(HOSTILE)]
    log = compiled(document(tables([*names, recon("plain", 1.0)])), tmp_path)
    assert "passwd" not in log
    if shutil.which("pdftotext"):
        command = ["pdftotext", "-layout", "report.pdf", "-"]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout.decode()
        assert r"\input{/etc/passwd}" in said
        assert "<script>alert(1)</script>" in said
