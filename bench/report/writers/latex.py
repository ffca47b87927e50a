"""Tables as LaTeX: booktabs, at normal size within a text width, compiling as they are with pdflatex."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import Any

from bench.report.table import Cell, Row, Table
from bench.report.writers.text import break_heading, caption, foot

PACKAGES = ("[T1]{fontenc}", "[utf8]{inputenc}", "{booktabs}", "{longtable}", "{graphicx}", "{textcomp}", "{amssymb}")
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "×": r"$\times$", "−": r"$-$", "–": "--", "—": "---",
    "≈": r"$\approx$", "·": r"$\cdot$", "…": r"\ldots{}", "²": r"$^2$", "≥": r"$\geq$", "≤": r"$\leq$",
    "σ": r"$\sigma$",
}  # fmt: skip
COMMANDS = {"best": "textbf: --rwrap;", "second": "underline: --rwrap;", "": ""}
"""Pandas' names of LaTeX commands, wrapped around a cell's content, by mark."""
TEXT_WIDTH = 397
"""Points of the text's width that a table fits into: that of the usual one-column templates."""
TEXT_HEIGHT = 650
"""Points of a page's height there; a higher table is continued on the next page."""
HEADING, WORDS = 10, 24
"""Characters of a line of a heading, and of a cell that holds words."""
DIGIT, LETTER, BETWEEN = 5.1, 5.6, 12.0
"""Points of a digit and of a letter of mean width at 10 pt, and between two columns."""
LINE, NOTE_LINE, RULE = 12.0, 9.5, 5.5
"""Points from line to line of a table and of its footnotes, and of a rule with the space around it."""
NOTE_LETTER = 3.9
"""Points of a letter of mean width in footnotes."""
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

    At normal size and at most :data:`TEXT_WIDTH` wide: a wider table is continued below with the methods repeated, and
    one higher than :data:`TEXT_HEIGHT` is a ``longtable``, which no float holds. Best in bold, second underlined;
    footnotes are words, never commands.
    """
    blocks = _blocks(table)
    return _over_pages(table, blocks) if _height(table, blocks) > TEXT_HEIGHT else _float(table, blocks)


def _float(table: Table, blocks: Sequence[Sequence[int]]) -> str:
    parts = [_tabular(table, indices).to_latex(column_format=_format(indices), hrules=True) for indices in blocks]
    return "\n".join(
        [
            r"\begin{table}[!htbp]",
            r"\centering",
            rf"\caption{{{escape_latex(caption(table))}}}",
            rf"\label{{tab:{table.key}}}",
            "\n\\par\\medskip\n".join(_with_rules(part, table.rows) for part in parts),
            *_footnotes(table),
            r"\end{table}",
            "",
        ]
    )


def _over_pages(table: Table, blocks: Sequence[Sequence[int]]) -> str:
    r"""The parts as ``longtable``, the first with the caption; all of them count as one table."""
    parts = [
        _tabular(table, indices).to_latex(
            column_format=_format(indices),
            hrules=True,
            environment="longtable",
            caption=None if number else escape_latex(caption(table)),
            label=None if number else f"tab:{table.key}",
        )
        for number, indices in enumerate(blocks)
    ]
    return "\n".join(
        [
            r"\begingroup\setlength{\LTcapwidth}{\textwidth}",
            "\n\\addtocounter{table}{-1}\n".join(_with_rules(part, table.rows) for part in parts),
            *_footnotes(table),
            r"\par\endgroup",
            "",
        ]
    )


def _height(table: Table, blocks: Sequence[Sequence[int]]) -> float:
    """About how high the table stands on a page, in points: caption, parts and footnotes."""
    heads = [max((len(_lines(table.columns[i].heading, HEADING)) for i in part), default=1) for part in blocks]
    cells = [
        max((len(_lines(row.cells[i].text, WORDS)) for i in part), default=1) for part in blocks for row in table.rows
    ]
    rules = len(blocks) * (3 + sum(one.group != other.group for one, other in pairwise(table.rows)))
    notes = [ceil(len(line) * NOTE_LETTER / TEXT_WIDTH) for line in foot(table)]
    return 3 * LINE + LINE * (sum(heads) + sum(cells) + len(blocks)) + RULE * rules + NOTE_LINE * sum(notes)


def _blocks(table: Table) -> list[list[int]]:
    """The columns of each part of the table, as many as fit the text width."""
    label = _points([row.shown + "1" * len(row.notes) for row in table.rows], LETTER)
    blocks: list[list[int]] = [[]]
    used = label
    for index, column in enumerate(table.columns):
        heads = break_heading(column.heading, HEADING)
        cells = [_length(row.cells[index], table, index) for row in table.rows]
        size = max(_points(heads, LETTER), _points(cells, DIGIT))
        if blocks[-1] and used + size > TEXT_WIDTH:
            blocks.append([])
            used = label
        blocks[-1].append(index)
        used += size
    return blocks


def _points(texts: Sequence[str], per_character: float) -> float:
    return max((len(text) for text in texts), default=0) * per_character + BETWEEN


def _length(cell: Cell, table: Table, index: int) -> str:
    """As many characters as the cell is wide; superscripts are small."""
    low, high = cell.interval or (0.0, 0.0)
    shown = table.columns[index].show
    interval = f"[{shown(low)}, {shown(high)}]" if cell.interval else ""
    text = max(_lines(cell.text, WORDS), key=len)
    return text + ("  " if cell.tied else "") + interval + "1" * len(cell.notes)


def _tabular(table: Table, indices: Sequence[int]) -> Any:
    """The columns of one part, formatted and marked, as a pandas Styler."""
    import pandas as pd

    heads = [_stacked(table.columns[index].heading, HEADING) for index in indices]
    frame = pd.DataFrame(
        [[_cell(row.cells[index], row, table, index) for index in indices] for row in table.rows],
        columns=pd.Index(range(len(heads))),
    )
    labels = [_label(row) for row in table.rows]
    styler = frame.style.format_index(heads.__getitem__, axis=1).format_index(labels.__getitem__, axis=0)
    marks = [[COMMANDS[row.cells[index].mark] for index in indices] for row in table.rows]
    return styler.apply(lambda _: pd.DataFrame(marks, frame.index, frame.columns), axis=None)


def _format(indices: Sequence[int]) -> str:
    return "l" + "r" * len(indices)


def document(tables: Sequence[Table]) -> str:
    """A whole document of tables, ready for pdflatex."""
    lines = [r"\documentclass[a4paper]{article}", *(rf"\usepackage{package}" for package in PACKAGES)]
    lines += [r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}"]
    lines += [
        rf"\usepackage[textwidth={TEXT_WIDTH}pt,vmargin=2cm]{{geometry}}",
        r"\setcounter{totalnumber}{9}",
        r"\begin{document}",
    ]
    body = "\n".join(to_latex(table) for table in tables)
    return "\n".join([*lines, body, r"\end{document}", ""])


def _lines(text: str, width: int) -> list[str]:
    """The lines of a heading, or of a cell: one, unless it holds words."""
    return break_heading(text, width) if len(text) > width else [text]


def _stacked(text: str, width: int) -> str:
    r"""A heading or words in one or more short lines, so that the table need not shrink for it."""
    lines = [escape_latex(line) for line in _lines(text, width)]
    return r"\shortstack[r]{\rule{0pt}{2.4ex}" + r"\\".join(lines) + "}" if len(lines) > 1 else lines[0]


def _label(row: Row) -> str:
    return escape_latex(row.shown) + _refs(row.notes)


def _refs(notes: Sequence[int]) -> str:
    return rf"\textsuperscript{{{','.join(str(n + 1) for n in notes)}}}" if notes else ""


def _cell(cell: Cell, row: Row, table: Table, index: int) -> str:
    text = _stacked(cell.text, WORDS) + (r" $\approx$" if cell.tied else "")
    if cell.interval is not None:
        low, high = (escape_latex(table.columns[index].show(v)) for v in cell.interval)
        text += rf" {{\scriptsize[{low}, {high}]}}"
    return text + _refs(cell.notes)


def _with_rules(tabular: str, rows: Sequence[Row]) -> str:
    r"""Puts a ``\midrule`` between groups of rows: after the row's line, which ends in ``\\``."""
    lines = tabular.rstrip().split("\n")
    start = max(i for i, line in enumerate(lines) if line in (r"\midrule", r"\endlastfoot")) + 1
    for offset in range(len(rows) - 1, 0, -1):
        if rows[offset].group != rows[offset - 1].group:
            lines.insert(start + offset, r"\midrule")
    return "\n".join(lines)


def _footnotes(table: Table) -> list[str]:
    lines = [re.sub(r"^\[(\d+)\] ", r"@\1@", line) for line in foot(table)]
    made = [
        re.sub(r"^@(\d+)@", r"\\textsuperscript{\1}\\,", escape_latex(line if _is_label(line) else in_words(line)))
        for line in lines
    ]
    if not made:
        return []
    return [r"\par\smallskip\raggedright\footnotesize", "\\par\n".join(made)]


def _is_label(line: str) -> bool:
    return "The whole label is " in line


def in_words(note: str) -> str:
    """A footnote without what a reader of a paper cannot type: commands are left out, flags are named."""
    note = re.sub(r"[;:,] *(?:run|add|bring|see|measure)?[^;.:]*python -m bench .*$", ".", note)
    note = re.sub(r"; (?:add|run|make|bring)\b[^;]*--[^;]*?(\.?)$", ".", note)
    return re.sub(
        r"--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)", lambda found: f"the option '{found[1].replace('-', ' ')}'", note
    )
