"""What per-image values add to a table: confidence intervals, and which rows no test tells apart from the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.report import uncertainty
from bench.report.load import Loaded, Values, read_values
from bench.report.table import Cell, Column, Table
from bench.results.record import Result

if TYPE_CHECKING:
    import numpy as np

Images = tuple["np.ndarray", "np.ndarray"]
"""Names of images and their values."""

TIED = (
    "≈ marks numbers that are not the best of their column, but that no test tells apart from it: a paired Wilcoxon "
    "test over the images, or Student's test over the seeds where there are no values per image, Holm-corrected for "
    f"the rows of the column, does not reject at {uncertainty.LEVEL:g}."
)
INTERVALS = f"Brackets hold {100 * (1 - uncertainty.LEVEL):g} % bootstrap intervals over the images."


def mean_over_runs(runs: Sequence[Values], metric: str) -> Images | None:
    """Names of the images and a metric's values averaged over runs; None unless all runs have the same images.

    Without a column ``image`` the rows are the reference's images in order: numbers of one signature have one
    reference, whose digest is in the signature.
    """
    import numpy as np

    if not runs or any(metric not in run for run in runs):
        return None
    names = _names(runs[0], metric)
    if any(not np.array_equal(_names(run, metric), names) for run in runs[1:]):
        return None
    return names, np.mean([np.asarray(run[metric], dtype=np.float64) for run in runs], axis=0)


def _names(run: Values, metric: str) -> np.ndarray:
    import numpy as np

    return run["image"] if "image" in run else np.arange(len(run[metric]))


def with_statistics(tables: Sequence[Table], results: Sequence[Loaded], intervals: bool) -> tuple[Table, ...]:
    """The tables with tied rows marked and, if asked, intervals; those without per-image values are as before."""
    files = {_place(loaded.result): loaded for loaded in results if loaded.result.per_image}
    read: dict[tuple[Any, ...], Values] = {}

    def values(result: Result) -> Values:
        place = _place(result)
        if place not in read:
            read[place] = read_values(files[place]) if place in files else {}
        return read[place]

    return tuple(_treated(table, values, intervals) for table in tables)


def _place(result: Result) -> tuple[Any, ...]:
    return (result.dataset, result.preset, result.task, result.method, result.seed, result.stage)


def _treated(table: Table, values: Callable[[Result], Values], intervals: bool) -> Table:
    columns = [
        _column(column, [row.cells[index] for row in table.rows], values, intervals)
        for index, column in enumerate(table.columns)
    ]
    rows = tuple(replace(row, cells=tuple(column[index] for column in columns)) for index, row in enumerate(table.rows))
    cells = [cell for row in rows for cell in row.cells]
    said = [table.remark] if table.remark else []
    said += [TIED] if any(cell.tied for cell in cells) else []
    said += [INTERVALS] if any(cell.interval for cell in cells) else []
    return replace(table, rows=rows, remark=" ".join(said))


def _column(column: Column, cells: Sequence[Cell], values: Callable[[Result], Values], intervals: bool) -> list[Cell]:
    """A column's cells with intervals and ties; only comparable cells with per-image values take part."""
    found = [_values_of(column, cell, values) if cell.value is not None else None for cell in cells]
    made = list(cells)
    if intervals:
        for index, own in enumerate(found):
            if own is not None:
                made[index] = replace(made[index], interval=uncertainty.bootstrap_interval(own[1]))
    for index in _ties(column, cells, found):
        made[index] = replace(made[index], tied=True)
    return made


def _values_of(column: Column, cell: Cell, values: Callable[[Result], Values]) -> Images | None:
    return mean_over_runs([values(source.result) for source in cell.sources], column.name)


def _ties(column: Column, cells: Sequence[Cell], found: Sequence[Images | None]) -> list[int]:
    """The cells that are not marked best but not worse than a best one by more than chance."""
    best = next((index for index, cell in enumerate(cells) if cell.mark == "best"), None)
    if best is None or column.higher_is_better is None:
        return []
    sign = 1 if column.higher_is_better else -1
    p_values = {
        index: _p_worse((cells[best], cell), (found[best], found[index]), sign)
        for index, cell in enumerate(cells)
        if cell.comparable and cell.value is not None and cell.mark != "best"
    }
    tested = {index: p for index, p in p_values.items() if p is not None}
    adjusted = uncertainty.holm(list(tested.values()))
    return [index for index, p in zip(tested, adjusted, strict=True) if p > uncertainty.LEVEL]


def _p_worse(cells: tuple[Cell, Cell], images: tuple[Images | None, Images | None], sign: int) -> float | None:
    """One-sided p-value of "the second is not worse than the first"; None where no test can be made."""
    import numpy as np

    one, other = images
    if one is not None and other is not None and np.array_equal(one[0], other[0]):
        return uncertainty.wilcoxon_p(sign * (one[1] - other[1]))
    values = [[float(s.measurement.value) for s in cell.sources if s.measurement.value is not None] for cell in cells]
    if min(map(len, values)) < 2:
        return None
    return uncertainty.student_p(sign * np.array(values[0]), sign * np.array(values[1]))
