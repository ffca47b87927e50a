"""A generated table and figure inside a hand-written Markdown file, between two comment lines."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from bench.errors import UsageError
from bench.report.table import Table
from bench.report.writers.text import to_markdown

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
FIGURES = ("reconstructions", "rate-distortion")
"""The kinds of figures worth showing first, the best one first."""


def block(tables: Sequence[Table], figures: Sequence[str], report: Path, file: Path) -> str:
    """The first comparison table and, of the first kind of :data:`FIGURES` there is, its figure.

    ``figures`` are the names of the figures in the report's folder; links are relative to ``file``.
    """
    table = next((table for table in tables if table.name == "comparison"), None)
    if table is None:
        raise UsageError("There is no comparison table in these results to put into a README.")
    parts = [to_markdown(table).strip()]
    own = [name for kind in FIGURES for name in figures if name == f"{table.key.removesuffix('-comparison')}-{kind}"]
    if own:
        link = Path(os.path.relpath(report / "figures" / f"{own[0]}.png", file.parent)).as_posix()
        parts.append(f"![{own[0].replace('-', ' ')}]({link})")
    return "\n\n".join(parts)


def insert(text: str, content: str, file: Path) -> str:
    """``text`` with everything between the two comment lines replaced; :class:`UsageError` without them."""
    found = re.search(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", text, re.DOTALL)
    if found is None:
        raise UsageError(f"{file} has no lines '{BEGIN}' and '{END}' to put the table between; add them.")
    return f"{text[: found.start()]}{BEGIN}\n{content}\n{END}{text[found.end() :]}"
