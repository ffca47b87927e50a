"""``list``: what there is. No torch."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from bench.core.visible import visible

Row = tuple[str, str]


def show(
    what: Annotated[str, typer.Argument(help="methods, datasets, metrics, presets, protocols, weights or checkpoints")],
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    plugin: Annotated[list[str] | None, typer.Option(help="a Python file that defines a method")] = None,
) -> None:
    """List methods, datasets, metrics, presets, protocols, weights or checkpoints."""
    from bench.core.registry import lookup

    of_plugins = {"methods": _methods, "checkpoints": _checkpoints}
    rows = of_plugins[what](plugin or []) if what in of_plugins else lookup(LISTS, what, "list")()
    if json:
        typer.echo(json_module.dumps([{"name": name, "summary": summary} for name, summary in rows], indent=2))
        return
    width = max(len(name) for name, _ in rows)
    for name, summary in rows:
        typer.echo(visible(f"{name:<{width}}  {summary}"))


def _methods(plugins: Sequence[str]) -> list[Row]:
    from bench.run.opening import methods_table

    return [
        (name, entry.summary + (f" ({', '.join(entry.variants)})" if entry.variants else ""))
        for name, entry in methods_table(tuple(plugins)).items()
    ]


def _datasets() -> list[Row]:
    from bench.data.datasets import DATASETS

    return [
        (f"{e.name}:PATH" if e.takes_path else e.name, e.title + "".join(f"; also '{a}'" for a in e.aliases))
        for e in DATASETS.values()
    ]


def _metrics() -> list[Row]:
    from bench.metrics import METRICS

    return [
        (e.name, f"{e.title}, {'higher' if e.higher_is_better else 'lower'} is better" + (f", {e.unit}" * bool(e.unit)))
        for e in METRICS.values()
    ]


def _presets() -> list[Row]:
    from bench.run.presets import PRESETS

    return [(p.name, f"{p.purpose} ({p.resolution} px, {p.images_seen:,} images seen)") for p in PRESETS.values()]


def _protocols() -> list[Row]:
    from bench.metrics.protocols import PROTOCOLS

    return [(p.name, p.title) for p in PROTOCOLS.values()]


def _weights() -> list[Row]:
    from bench.pretrained.table import WEIGHTS
    from bench.pretrained.weights import available

    return [(name, f"{w.title}: {'here' if available(name) else 'absent'}") for name, w in WEIGHTS.items()]


def _checkpoints(plugins: Sequence[str]) -> list[Row]:
    """Published checkpoints of methods, then the names of autoencoders that the library diffusers loads."""
    from bench.run.opening import methods_table
    from bench.run.published import published

    table = methods_table(tuple(plugins))
    own = [
        (c.label, f"{c.variant}, {c.resolution} px, {c.size}, {c.licence}: {'here' if c.path else 'absent'}")
        for c in published(table)
    ]
    named = ((f"{e.name}:{name}", said) for e in table.values() if e.names for name, said in e.names().items())
    return [*own, *named]


LISTS: dict[str, Callable[[], list[Row]]] = {
    "methods": lambda: _methods([]),
    "datasets": _datasets,
    "metrics": _metrics,
    "presets": _presets,
    "protocols": _protocols,
    "weights": _weights,
    "checkpoints": lambda: _checkpoints([]),
}
