"""The table of metrics: the rows of the files in ``bench/metrics/formulas``. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules

from bench.core.registry import lookup
from bench.metrics import formulas
from bench.metrics.entries import MetricEntry, MetricProtocol


def _rows() -> Iterator[MetricEntry]:
    for module in iter_modules(formulas.__path__):
        yield from import_module(f"{formulas.__name__}.{module.name}").ROWS


METRICS: dict[str, MetricEntry] = {row.name: row for row in sorted(_rows(), key=lambda row: row.place)}

GROUPS: dict[str, tuple[str, ...]] = {
    "r64": ("fd-r64", "precision-r64", "recall-r64", "density-r64", "coverage-r64"),
    "prdc": ("precision", "recall", "density", "coverage"),
    "lpips": ("lpips-alex", "lpips-vgg", "lpips-squeeze"),
}
"""Short names for several metrics at once."""


def measured(protocol: MetricProtocol) -> dict[str, MetricEntry]:
    """The metrics that are measured under a protocol where none is asked for by name."""
    return {name: row for name, row in METRICS.items() if not row.named_only or name in protocol.pairs}


def expand(texts: Iterable[str]) -> list[MetricEntry]:
    """The metrics of comma-separated names and groups, each once; an unknown name is a UsageError."""
    known = {**METRICS, **GROUPS}
    names: dict[str, None] = {}
    for text in texts:
        for name in filter(None, (piece.strip() for piece in text.split(","))):
            lookup(known, name, "metric")
            names |= dict.fromkeys(GROUPS.get(name, (name,)))
    return [METRICS[name] for name in names]
