"""Results that random weights had a part in: under a name of their own, after all others, never ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.report import recipes
from bench.report.load import Loaded
from bench.results.record import STAND_IN, Result, stand_ins

MARK = f" ({STAND_IN})"
"""What follows a method's label in every format."""


def is_apart(label: str) -> bool:
    """Whether a row's label says that stand-ins had a part in it."""
    return label.endswith(MARK)


def apart(results: Sequence[Result]) -> list[Result]:
    """The results, those of rows with stand-ins labelled so; their order is kept, and done twice it changes nothing.

    A stage without a number from a stand-in (the cost) goes with the other stages of its method; where the method has
    results with and without stand-ins, it is in both rows. Results of unlike recipes are told apart before.
    """
    results = recipes.apart(results)
    return [
        replace(result, method=label)
        for result, labels in zip(results, _labels(results), strict=True)
        for label in labels
    ]


def files_apart(results: Sequence[Loaded]) -> list[Loaded]:
    """:func:`apart` for results with their files."""
    results = recipes.files_apart(results)
    found = _labels([loaded.result for loaded in results])
    return [
        replace(loaded, result=replace(loaded.result, method=label))
        for loaded, labels in zip(results, found, strict=True)
        for label in labels
    ]


def _labels(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """For each result the labels of the rows it belongs to."""
    touched: dict[tuple[str | None, ...], set[str]] = {}
    mixed: set[tuple[str | None, ...]] = set()
    for result in results:
        if stand_ins(result.metrics):
            touched.setdefault(_row(result), set()).add(result.stage)
    for result in results:
        if not stand_ins(result.metrics) and result.stage in touched.get(_row(result), ()):
            mixed.add(_row(result))
    return [_label(result, touched.get(_row(result), set()), _row(result) in mixed) for result in results]


def _label(result: Result, touched: Iterable[str], mixed: bool) -> tuple[str, ...]:
    if not touched or is_apart(result.method):
        return (result.method,)
    if stand_ins(result.metrics):
        return (result.method + MARK,)
    if result.stage in touched:
        return (result.method,)
    return (result.method, result.method + MARK) if mixed else (result.method + MARK,)


def _row(result: Result) -> tuple[str | None, ...]:
    return (result.dataset, result.preset, result.task, result.method)
