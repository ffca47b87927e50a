"""Tables as LaTeX: booktabs, compiling as they are with pdflatex."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.report.table import Cell, Row, Table
from bench.report.writers.text import break_heading, caption, foot

PACKAGES = ("[T1]{fontenc}", "[utf8]{inputenc}", "{booktabs}", "{graphicx}", "{textcomp}", "{amssymb}")
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "×": r"$\times$", "−": r"$-$", "–": "--", "—": "---",
    "≈": r"$\approx$", "·": r"$\cdot$", "…": r"\ldots{}", "²": r"$^2$", "≥": r"$\geq$", "≤": r"$\leq$",
    "σ": r"$\sigma$",
}  # fmt: skip
_LIGATURES = "-',"
"""Characters that TeX fonts join to another one when they stand twice."""


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is. A character that the usual fonts lack becomes its code point, ``U+4E2D``."""
    flat = " ".join(text.split())
    return "".join(
        ("{}" if c in _LIGATURES and before == c else "") + _character(c)
        for before, c in zip(" " + flat, flat, strict=False)
    )


def _character(character: str) -> str:
    """One character; T1 fonts have ASCII and the letters of Latin-1 and Latin Extended-A."""
    if character in _SPECIAL:
        return _SPECIAL[character]
    if (character.isascii() and character.isprintable()) or 0xC0 <= ord(character) <= 0x17E:
        return character
    return f"U+{ord(character):04X}"


def to_latex(table: Table) -> str:
    r"""A ``table`` environment with its footnotes, for a document that loads :data:`PACKAGES`.

    Scaled down to the text width where it is wider; best in bold, second underlined.
    """
    import pandas as pd

    heads = [_stacked(column.heading) for column in table.columns]
    frame = pd.DataFrame(
        [[_cell(cell, row, table, index) for index, cell in enumerate(row.cells)] for row in table.rows],
        columns=pd.Index(range(len(heads))),
    )
    labels = [_label(row) for row in table.rows]
    styler = frame.style.format_index(heads.__getitem__, axis=1).format_index(labels.__getitem__, axis=0)
    styler = styler.apply(lambda _: pd.DataFrame(_marks(table), frame.index, frame.columns), axis=None)
    tabular = styler.to_latex(column_format="l" + "r" * len(heads), hrules=True)
    return "\n".join(
        [
            r"\begin{table}[!htbp]",
            r"\centering",
            rf"\caption{{{escape_latex(caption(table))}}}",
            rf"\label{{tab:{table.key}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            _with_rules(tabular.rstrip(), table.rows) + "}",
            *_footnotes(table),
            r"\end{table}",
            "",
        ]
    )


def document(tables: Sequence[Table]) -> str:
    """A whole document of tables, ready for pdflatex."""
    lines = [r"\documentclass[a4paper]{article}", *(rf"\usepackage{package}" for package in PACKAGES)]
    lines += [r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}"]
    lines += [r"\usepackage[margin=2cm]{geometry}", r"\setcounter{totalnumber}{9}", r"\begin{document}"]
    body = "\n".join(to_latex(table) for table in tables)
    return "\n".join([*lines, body, r"\end{document}", ""])


def _stacked(heading: str) -> str:
    r"""A heading of one or more short lines, so that the table need not shrink for it."""
    lines = [escape_latex(line) for line in break_heading(heading, 12)]
    return r"\shortstack[r]{\rule{0pt}{2.4ex}" + r"\\".join(lines) + "}" if len(lines) > 1 else lines[0]


def _label(row: Row) -> str:
    return escape_latex(row.label) + _refs(row.notes)


def _refs(notes: Sequence[int]) -> str:
    return rf"\textsuperscript{{{','.join(str(n + 1) for n in notes)}}}" if notes else ""


def _cell(cell: Cell, row: Row, table: Table, index: int) -> str:
    text = escape_latex(cell.text) + (r" $\approx$" if cell.tied else "")
    if cell.interval is not None:
        low, high = (escape_latex(table.columns[index].show(v)) for v in cell.interval)
        text += rf" {{\scriptsize[{low}, {high}]}}"
    return text + _refs(cell.notes)


def _marks(table: Table) -> list[list[str]]:
    """Pandas' names of LaTeX commands, wrapped around the cell's content."""
    commands = {"best": "textbf: --rwrap;", "second": "underline: --rwrap;", "": ""}
    return [[commands[cell.mark] for cell in row.cells] for row in table.rows]


def _with_rules(tabular: str, rows: Sequence[Row]) -> str:
    r"""Puts a ``\midrule`` between groups of rows: after the row's line, which ends in ``\\``."""
    lines = tabular.split("\n")
    start = lines.index(r"\midrule") + 1
    for offset in range(len(rows) - 1, 0, -1):
        if rows[offset].group != rows[offset - 1].group:
            lines.insert(start + offset, r"\midrule")
    return "\n".join(lines)


def _footnotes(table: Table) -> list[str]:
    lines = [re.sub(r"^\[(\d+)\] ", r"@\1@", line) for line in [*foot(table)]]
    made = [re.sub(r"^@(\d+)@", r"\\textsuperscript{\1}\\,", escape_latex(line)) for line in lines]
    if not made:
        return []
    return [r"\par\smallskip\raggedright\footnotesize", "\\par\n".join(made)]
