"""``report --hub``: folders ready to push to the Hugging Face Hub; nothing is pushed from here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bench.core.visible import encoded
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.report.table import Table


def write(tables: Sequence[Table], folder: Path, dataset: str | None) -> None:
    """Writes a folder per method below ``folder`` and says on stderr what was written and what is left to do.

    ``dataset`` is the Hub's ``OWNER/NAME`` of the one dataset in the tables. Raises :class:`UsageError` where there are
    several, and, before anything is written, where a file is there with other content: it may have been edited.
    """
    from bench.core.files import write_bytes
    from bench.report.writers import hub

    known = hub.known_datasets(tables)
    names = list(dict.fromkeys(table.dataset for table in tables))
    if dataset is not None:
        if len(names) > 1:
            raise UsageError(f"--hub-dataset is one dataset, these are {', '.join(names)}; add --dataset.")
        known = {names[0]: hub.hub_dataset(dataset)}
    files = {folder / name: encoded(text) for name, text in hub.files(tables, known).items()}
    for path, data in files.items():
        if path.exists() and (not path.is_file() or path.read_bytes() != data):
            raise UsageError(f"{path} is there and differs; move it away or name another --hub folder.")
    for path, data in files.items():
        write_bytes(path, data)
        typer.echo(path, err=True)
    for name in names:
        if name not in known:
            typer.echo(f"note: no .eval_results for {name}: name its dataset on the Hub with --hub-dataset.", err=True)
    typer.echo("note: the cards name no licence; add 'license:' to each before it is pushed.", err=True)
