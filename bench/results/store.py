"""Results on disk: ``<out>/<dataset>-<preset>/<method>/seed<k>/<stage>.json``, per-image values beside it.

A dataset that is named by a path has the beginning of its images' digest in the folder's name, and what a run changes
of its preset and protocols stands there too: unlike recipes do not share a place.
The file exists and its key is the asked one = the work is done. A result of another recipe in the same place is kept
under a name that says so. Everything is written under a temporary name and renamed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core import documents
from bench.core.files import LOCK, files_below, folder_name, joined_name, write_file
from bench.errors import UsageError
from bench.results.record import Result, door, from_json, to_json

if TYPE_CHECKING:
    import numpy as np


SUPERSEDED = ".superseded"


@dataclass(frozen=True)
class Place:
    """Where the results of one cell are.

    ``data`` is the digest of a dataset's images where its name does not tell them; ``recipe`` what was asked for beyond
    the preset's defaults.
    """

    root: Path
    dataset: str
    preset: str
    method: str
    seed: int
    task: str | None = None
    data: str = ""
    recipe: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The cell's folder."""
        data = f"-{self.data[:8]}" if self.data else ""
        table = f"{folder_name(self.dataset)}{data}-{self.preset}" + (f"-{self.task}" if self.task else "")
        recipe = f"-{joined_name(self.recipe)}" if self.recipe else ""
        return self.root / (table + recipe) / folder_name(self.method) / f"seed{self.seed}"

    def file(self, stage: str) -> Path:
        """The result file of a stage."""
        return self.folder / f"{stage}.json"

    def existing(self, stage: str) -> Result | None:
        """The stage's result, whatever its key, or None."""
        path = self.file(stage)
        return read(path) if path.exists() else None

    def done(self, stage: str, key: str) -> Result | None:
        """The stage's finished result if it has this key. "failed" is not finished; "not-applicable" is."""
        result = self.existing(stage)
        return result if result and result.key == key and result.status != "failed" else None

    def keep_aside(self, stage: str, key: str) -> Path | None:
        """Renames a result with another key, and what lies beside it, so that nothing is lost.

        ``recon.json`` becomes ``recon.json.<its key>.superseded``; the new name of the result, or None for none.
        """
        path = self.file(stage)
        if not path.exists():
            return None
        try:
            previous = read(path).key
        except UsageError:
            previous = "unreadable"
        if previous == key:
            return None
        for file in sorted(self.folder.glob(f"{stage}.*")):
            if file.suffix not in (SUPERSEDED, LOCK, ".tmp"):
                file.replace(file.with_name(f"{file.name}.{previous[:8]}{SUPERSEDED}"))
        return path.with_name(f"{path.name}.{previous[:8]}{SUPERSEDED}")

    def write(self, result: Result, per_image: Mapping[str, np.ndarray] | None = None) -> Path:
        """Writes a result (and the table of per-image values first), keeping one of another recipe aside."""
        path = self.file(result.stage)
        self.keep_aside(result.stage, result.key)
        if per_image:
            write_file(self.folder / str(result.per_image), lambda temporary: _write_parquet(temporary, per_image))
        write_file(path, lambda temporary: temporary.write_text(to_json(result), encoding="utf-8"))
        return path


def _write_parquet(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
    with path.open("wb") as file:  # a path that is no UTF-8 is none to pyarrow
        parquet.write_table(table, file)


def read(path: Path) -> Result:
    """Reads one result file; raises :class:`UsageError` for what is none, a device or an endless one unread."""
    return from_json(documents.read(path, door(str(path))), str(path))


def read_all(roots: list[Path]) -> Iterator[tuple[Path, Result]]:
    """Every result file below the folders, or the files themselves, sorted by path."""
    for root in roots:
        if not root.exists():
            raise UsageError(f"There is no result file or folder {root}.")
        paths = [root] if root.is_file() else sorted(path for path in files_below(root) if path.suffix == ".json")
        for path in paths:
            yield path, read(path)
