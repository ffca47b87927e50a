"""``cost``: parameters and operations of encoders and decoders, counted on shapes alone, beside published figures."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.contract import MethodEntry
    from bench.run.method_string import Method


def cost(
    methods: Annotated[list[str], typer.Option("--methods", "-m", help="name[:variant][:k=v,...], ...")],
    preset: Annotated[str, typer.Option(help="smoke, small, medium or paper")] = "paper",
    plugin: Annotated[list[str] | None, typer.Option(help="a Python file that defines a method")] = None,
    json: Annotated[bool, typer.Option("--json", help="as JSON, with the cost of each part")] = False,
) -> None:
    """Count parameters and operations on shapes alone: no weights but those named with @, no data, seconds."""
    from bench.core.files import cache_root
    from bench.core.readings import Readings
    from bench.core.registry import lookup
    from bench.evaluate.cost import count_method
    from bench.run import checkpoints
    from bench.run.presets import PRESETS
    from bench.run.settings import settings_of, variant_of

    size, counted, variants = lookup(PRESETS, preset, "preset"), {}, {}
    readings = Readings()
    for method, entry, parts in _methods(methods, plugin or []):
        weights = checkpoints.named(method, entry, cache_root(), readings)
        weights.found()  # what is not here cannot be looked into
        settings = settings_of(method, entry, size, weights, readings)
        counted[method.label] = count_method(parts, settings, (size.resolution, size.resolution))
        variants[method.label] = variant_of(method, entry, preset, settings)
    if json:
        data = {label: {"metrics": _plain(c.measurements), **c.facts} for label, c in counted.items()}
        typer.echo(json_module.dumps(data, indent=2))
    else:
        typer.echo(_table({label: c.measurements for label, c in counted.items()}, preset, variants))


def _methods(texts: list[str], plugins: list[str]) -> list[tuple[Method, MethodEntry, Any]]:
    """The parsed methods with their entries and parts; all that cannot be counted are named at once."""
    from bench.core.registry import method_of
    from bench.run.cells import parse_methods
    from bench.run.opening import methods_table
    from bench.run.plugins import usable

    known = methods_table(tuple(plugins))
    rows = [(method, usable(known[method.name])) for method in parse_methods(texts, known)]
    found = [(method, entry, method_of(entry).parts) for method, entry in rows]
    silent = [method.label for method, _, parts in found if parts is None]
    if silent:
        raise UsageError(f"Nothing can be counted for {', '.join(silent)}: no encoder or decoder network is named.")
    return found


def _plain(measurements: Any) -> list[dict[str, Any]]:
    import dataclasses

    return [dataclasses.asdict(m) for m in measurements]


def _table(counted: dict[str, Any], preset: str, variants: dict[str, str | None]) -> str:
    """The text of the table; published figures belong to the preset ``paper`` alone."""
    from bench.report.published import published, table
    from bench.report.quoted import quoted_tables
    from bench.report.writers.text import to_text

    quoted = quoted_tables() if preset == "paper" else ()
    return to_text(table(counted, preset, published(variants, quoted)))
