"""``cost``: parameters and operations of encoders and decoders, counted on shapes alone, beside published figures."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.contract import UsageError

if TYPE_CHECKING:
    from bench.grammar import Method
    from bench.record import Measurement
    from bench.report.model import Cell, Column, Notes, Table

QUOTED = Path(__file__).resolve().parents[2] / "results" / "quoted"
"""Figures from papers, in a checkout of this project; elsewhere the table stands without them."""


def cost(
    methods: Annotated[list[str], typer.Option("--methods", "-m", help="name[:variant][:k=v,...], ...")],
    preset: Annotated[str, typer.Option(help="smoke, small, medium or paper")] = "paper",
    plugin: Annotated[list[str] | None, typer.Option(help="a Python file that defines a method")] = None,
    json: Annotated[bool, typer.Option("--json", help="as JSON, with the cost of each part")] = False,
) -> None:
    """Count parameters and operations on shapes alone: no weights, no data, seconds."""
    counted = {method.label: _census(method, entry, preset) for method, entry in _methods(methods, plugin or [])}
    if json:
        data = {label: {"metrics": _plain(c.measurements), **c.facts} for label, c in counted.items()}
        typer.echo(json_module.dumps(data, indent=2))
        return
    from bench.report.render import to_text

    typer.echo(to_text(table({label: c.measurements for label, c in counted.items()}, preset, published(preset))))


def _methods(texts: list[str], plugins: list[str]) -> list[tuple[Method, Any]]:
    """The parsed methods with their entries; all that cannot be counted are named at once."""
    from bench.cli.joined import methods_table
    from bench.plan import parse_methods

    known = methods_table(tuple(plugins))
    found = [(method, known[method.name]) for method in parse_methods(texts, known)]
    silent = [method.label for method, entry in found if entry.parts is None]
    if silent:
        raise UsageError(f"Nothing can be counted for {', '.join(silent)}: no encoder or decoder network is named.")
    return found


def _census(method: Method, entry: Any, preset: str) -> Any:
    from bench.plan import resolve
    from bench.presets import PRESETS
    from bench.registry import lookup
    from bench.tasks.cost import census_of

    resolution = lookup(PRESETS, preset, "preset").resolution
    return census_of(entry, resolve(method, entry, preset), resolution)


def _plain(measurements: tuple[Measurement, ...]) -> list[dict[str, Any]]:
    import dataclasses

    return [dataclasses.asdict(m) for m in measurements]


def published(preset: str, folder: Path = QUOTED) -> dict[str, tuple[Measurement, ...]]:
    """The quoted cost figures of that preset by method label; empty where ``folder`` holds none."""
    from bench.report.load import load

    if not any(folder.rglob("cost.json")):
        return {}
    results = [loaded.result for loaded in load([folder])]
    return {r.method: r.metrics for r in results if r.stage == "cost" and r.preset == preset}


# --------------------------------------------------------------------------------------------------------------
# The table

Show = Callable[[float], str]
PARAMETERS = ("decoder-parameters", "decoder-grid-parameters", "encoder-parameters", "codebook-parameters")
OPERATIONS = ("decoder-gmac", "decoder-gmac-fvcore", "encoder-gmac", "encoder-gmac-fvcore")
COMPARED = ("decoder-parameters", "decoder-grid-parameters", "decoder-gmac-fvcore")
"""What papers publish; their "GFlops" are fvcore's total, in 10^9 multiply-accumulates."""


def table(
    counted: Mapping[str, tuple[Measurement, ...]], preset: str, quoted: Mapping[str, tuple[Measurement, ...]]
) -> Table:
    """One row per method: what was counted, and what was published of it; no ranking."""
    from bench.report.model import Notes, Row, Table

    notes = Notes()
    columns = _columns(with_quoted=bool(quoted))
    rows = []
    for label, measurements in counted.items():
        sources = {"": _by_name(measurements), "published ": _by_name(quoted.get(label, ()))}
        cells = tuple(_cell(column, sources, notes) for column in columns)
        rows.append(Row(label, label, (), cells))
    return Table("cost", "Cost of encoders and decoders, one image", "", preset, columns, tuple(rows), notes.texts())


def _columns(with_quoted: bool) -> tuple[Column, ...]:
    from bench.report.model import Column

    def column(name: str, prefix: str = "") -> Column:
        shown, unit = (_millions, "M") if name in PARAMETERS else (_giga, "G")
        return Column(prefix + name, prefix + name.replace("-", " "), shown, unit=unit)

    own = [column(name) for name in (*PARAMETERS, *OPERATIONS)]
    return (*own, *(column(name, "published ") for name in COMPARED if with_quoted))


def _by_name(measurements: tuple[Measurement, ...]) -> dict[str, Measurement]:
    return {m.name: m for m in measurements}


def _cell(column: Column, sources: Mapping[str, Mapping[str, Measurement]], notes: Notes) -> Cell:
    from bench.report.model import Cell

    prefix = "published " if column.name.startswith("published ") else ""
    found = sources[prefix].get(column.name.removeprefix(prefix))
    if found is None:
        return Cell()
    marks = (notes.add(found.reason),) if found.reason else ()
    if found.value is None:
        return Cell(notes=marks)
    return Cell(found.value, text=column.show(found.value), notes=marks)


def _millions(value: float) -> str:
    return f"{value / 1e6:.3f}"


def _giga(value: float) -> str:
    return f"{value:.3f}"
