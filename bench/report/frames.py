"""Results as pandas data frames, for notebooks: a row for every number, or for every image and number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.load import Loaded, load, read_values
from bench.results.record import Measurement, signature_id

if TYPE_CHECKING:
    import pandas

CELL = ("dataset", "preset", "task", "method", "seed", "stage", "status")
NUMBER = ("metric", "value", "unit", "higher_is_better", "n", "deviation", "reason", "signature_id", "signature")
NUMBERS = (*CELL, *NUMBER, "limited", "error", "file")
IMAGES = ("dataset", "preset", "task", "method", "seed", "image", "metric", "value", "signature_id", "file")


def numbers(places: Sequence[Path]) -> pandas.DataFrame:
    """A row for every number of every result in files and folders, with the columns :data:`NUMBERS`.

    ``value`` is float64, NaN where the number is absent, and ``reason`` then says why. ``signature`` is the protocol of
    the number as a dictionary and ``signature_id`` its digest: numbers compare where these are equal. ``limited`` names
    the flags that reduced the run, with commas. A stage that failed or does not apply and has no numbers is one row
    without a ``metric``, whose ``error`` says why. Raises :class:`bench.errors.UsageError` where there are no results.
    """
    import pandas

    rows = [_number(loaded, found) for loaded in load(places) for found in loaded.result.metrics or (None,)]
    frame = pandas.DataFrame.from_records(rows, columns=list(NUMBERS))
    return frame.astype({"value": "float64", "deviation": "float64", "n": "int64", "seed": "int64"})


def images(places: Sequence[Path]) -> pandas.DataFrame:
    """A row for every image and number that has values per image, with the columns :data:`IMAGES`.

    ``image`` is the image's name where the run kept it, else its index in the order of the reference. Results without
    values per image give no rows.
    """
    import pandas

    parts = [part for loaded in load(places) for part in _images(loaded)]
    return pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame(columns=list(IMAGES))


def _cell(loaded: Loaded) -> dict[str, Any]:
    result = loaded.result
    return {name: getattr(result, name) for name in CELL}


def _number(loaded: Loaded, found: Measurement | None) -> dict[str, Any]:
    beside = {"limited": ",".join(loaded.result.limited), "error": loaded.result.error, "file": str(loaded.path)}
    if found is None:
        return {**_cell(loaded), **beside, "n": 0}
    said = {name: getattr(found, name) for name in NUMBER if name not in ("metric", "signature_id", "signature")}
    protocol = {"signature_id": signature_id(found.signature), "signature": dict(found.signature)}
    return {**_cell(loaded), "metric": found.name, **said, **protocol, **beside}


def _images(loaded: Loaded) -> list[pandas.DataFrame]:
    """One frame for each of the result's numbers that has values per image."""
    import pandas

    values, cell = read_values(loaded), _cell(loaded)
    made = []
    for found in loaded.result.metrics:
        if found.name not in values or found.name == "image":
            continue
        column = values[found.name]
        content = {
            **cell,
            "image": values.get("image", range(len(column))),
            "metric": found.name,
            "value": column,
            "signature_id": signature_id(found.signature),
            "file": str(loaded.path),
        }
        made.append(pandas.DataFrame(content, columns=list(IMAGES)))
    return made
