"""Results read back from folders, each with the place it was found in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.core.files import files_below
from bench.errors import IntegrityError, UsageError
from bench.report.labels import natural
from bench.results.record import STAGES, Result
from bench.results.store import read

Values = Mapping[str, Any]
"""Per-image values of one result: one float64 ``[N]`` per pair metric and, optionally, ``image``, their names."""

ROUNDING = 1e-9
"""How far, relatively, a mean may be from the mean of its values, which only the order of the sum moves."""


@dataclass(frozen=True)
class Loaded:
    """A result and the file it was read from; what belongs to it (per-image values, examples) lies beside it."""

    path: Path
    result: Result

    def beside(self, name: str) -> Path:
        """The path of a file in the result's own folder."""
        return self.path.parent / name


def load(places: Sequence[Path]) -> list[Loaded]:
    """Every result in files and, recursively, in folders; sorted by path, numbers by their size, each file once.

    Only files named ``<stage>.json`` are results. Raises :class:`UsageError` where a place does not exist, holds no
    result, or holds one that cannot be read, and :class:`IntegrityError` where a number is not the mean of its values
    per image.
    """
    found: dict[Path, Loaded] = {}
    for place in places:
        files = sorted(_files(place), key=lambda path: [natural(part) for part in path.parts])
        if not files:
            raise UsageError(
                f"There are no results in {place}; run 'python -m bench run' first or name another folder."
            )
        for file in files:
            found.setdefault(file.resolve(), Loaded(file, read(file)))
    for loaded in found.values():
        _check_means(loaded)
    return list(found.values())


def read_values(loaded: Loaded) -> Values:
    """The Parquet table beside a result; empty where it has none.

    Raises :class:`IntegrityError` when the result names a table that is not there or cannot be read.
    """
    from pyarrow import ArrowException, parquet

    if not loaded.result.per_image:
        return {}
    path = loaded.beside(loaded.result.per_image)
    try:
        with path.open("rb") as file:  # a path that is no UTF-8 is none to pyarrow
            table = parquet.ParquetFile(file).read()
        return {name: table.column(name).to_numpy() for name in table.column_names}
    except (OSError, ArrowException) as error:
        raise IntegrityError(f"{path} cannot be read ({error}); run the same command with --overwrite.") from error


def _check_means(loaded: Loaded) -> None:
    """Raises :class:`IntegrityError` unless every number is the mean of as many finite values as it says."""
    values = read_values(loaded)
    for measurement in loaded.result.metrics:
        if measurement.value is None or measurement.name not in values:
            continue
        column = values[measurement.name]
        mean = float(column.mean()) if column.dtype.kind == "f" and len(column) else math.nan
        if len(column) != measurement.n or not math.isclose(
            mean, measurement.value, rel_tol=ROUNDING, abs_tol=ROUNDING
        ):
            raise IntegrityError(
                f"{loaded.path} says {measurement.name} {measurement.value:.6g} of {measurement.n} images, but "
                f"{loaded.result.per_image} beside it holds {len(column)} values with the mean {mean:.6g}; run the "
                "same command with --overwrite."
            )


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    elif place.is_dir():
        yield from (file for file in files_below(place) if file.suffix == ".json" and file.stem in STAGES)
    else:
        raise UsageError(f"There is no file or folder {place}; name one that holds results.")
