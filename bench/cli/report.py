"""``report``: tables, figures and the page from results."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

RESULTS = Path("results/local")


def report(
    results: Annotated[list[Path], typer.Option(help="Result file or folder; may be repeated.")] = [RESULTS],  # noqa: B006
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("reports/local"),
) -> None:
    """Turn results into tables: Markdown and CSV."""
    from bench.report.load import load
    from bench.report.render import to_csv, to_markdown
    from bench.report.tables import tables
    from bench.store import write_file

    made = tables([loaded.result for loaded in load(results)])
    files = {"report.md": "\n".join(to_markdown(table) for table in made)}
    files |= {f"{table.key}.csv": to_csv(table) for table in made}
    for name, text in files.items():
        write_file(out / name, partial(_write, text=text))
        typer.echo(out / name, err=True)


def _write(temporary: Path, text: str) -> None:
    temporary.write_text(text, encoding="utf-8")
