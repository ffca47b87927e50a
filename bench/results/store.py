"""Results on disk: ``<out>/<dataset>-<preset>/<method>/seed<k>/<stage>.json``, per-image values beside it.

The file exists and its key is the asked one = the work is done. A result of another recipe in the same place is kept
under a name that says so. Everything is written under a temporary name and renamed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.files import files_below, folder_name, write_file
from bench.errors import UsageError
from bench.results.record import Result, from_json, to_json

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Place:
    """Where the results of one cell are."""

    root: Path
    dataset: str
    preset: str
    method: str
    seed: int
    task: str | None = None

    @property
    def folder(self) -> Path:
        """The cell's folder."""
        table = f"{folder_name(self.dataset)}-{self.preset}" + (f"-{self.task}" if self.task else "")
        return self.root / table / folder_name(self.method) / f"seed{self.seed}"

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

    def write(self, result: Result, per_image: Mapping[str, np.ndarray] | None = None) -> Path:
        """Writes a result (and the table of per-image values first), keeping one of another recipe aside."""
        path = self.file(result.stage)
        if per_image:
            write_file(self.folder / str(result.per_image), lambda temporary: _write_parquet(temporary, per_image))
        if path.exists():
            keep_aside(path, result.key)
        write_file(path, lambda temporary: temporary.write_text(to_json(result), encoding="utf-8"))
        return path


def keep_aside(path: Path, key: str) -> None:
    """Renames a result with another key to ``<stage>.<its key>.superseded``, so that nothing is lost."""
    try:
        previous = read(path).key
    except UsageError:
        previous = "unreadable"
    if previous != key:
        path.replace(path.with_suffix(f".{previous[:8]}.superseded"))


def _write_parquet(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
    with path.open("wb") as file:  # a path that is no UTF-8 is none to pyarrow
        parquet.write_table(table, file)


def read(path: Path) -> Result:
    """Reads one result file."""
    try:
        return from_json(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}); delete it and run the same command again.") from error


def read_all(roots: list[Path]) -> Iterator[tuple[Path, Result]]:
    """Every result file below the folders, or the files themselves, sorted by path."""
    for root in roots:
        if not root.exists():
            raise UsageError(f"There is no result file or folder {root}.")
        paths = [root] if root.is_file() else sorted(path for path in files_below(root) if path.suffix == ".json")
        for path in paths:
            yield path, read(path)
