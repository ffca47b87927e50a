"""``fetch``: everything that runs and scores need from the network, verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.core.fetch import File


def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="networks (list weights), or METHOD@CHECKPOINT")] = None,
    methods: Annotated[list[str] | None, typer.Option("--methods", "-m", help="methods with @CHECKPOINT")] = None,
    metrics: Annotated[list[str] | None, typer.Option(help="metrics whose networks are wanted, or 'all'")] = None,
    protocol: Annotated[str | None, typer.Option(help="metric protocol (list protocols)")] = None,
    bundle: Annotated[Path | None, typer.Option(help="put the files there, for a machine without network")] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="take unencrypted addresses of files without a pinned digest")
    ] = False,
    plugin: Annotated[list[str] | None, typer.Option(help="a Python file that defines a method")] = None,
) -> None:
    """Bring weights to this machine; a file that is there and intact is not fetched again."""
    from bench.core.downloads import Limits
    from bench.core.fetch import obtain
    from bench.core.progress import on_stderr

    files = _wanted([*(names or []), *(methods or [])], metrics or [], protocol, tuple(plugin or []))
    if not files:
        raise UsageError("Nothing is named; try: python -m bench fetch --metrics all")
    progress = on_stderr()
    for file in files:
        typer.echo(str(obtain(file, bundle, progress, Limits(plain=allow_http))))
    if bundle is not None:
        typer.echo(f"On the other machine set BENCH_WEIGHTS to the copy of {bundle}.", err=True)


def _wanted(names: list[str], metrics: list[str], protocol: str | None, plugins: tuple[str, ...]) -> list[File]:
    from bench.core.registry import lookup
    from bench.pretrained.table import WEIGHTS

    files = []
    for name in dict.fromkeys([*(n for text in names for n in text.split(",")), *_networks(metrics, protocol)]):
        if "@" in name:
            files.append(_checkpoint(name, plugins))
        else:
            weights = lookup(WEIGHTS, name, "network")
            files.append(next((f for f in weights.files if f.url is not None), weights.files[0]))
    return files


def _networks(metrics: list[str], protocol: str | None) -> list[str]:
    from bench.core.registry import lookup
    from bench.metrics import METRICS, expand
    from bench.metrics.features import FEATURES
    from bench.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS
    from bench.metrics.signatures import needed

    chosen = lookup(PROTOCOLS, protocol or DEFAULT_PROTOCOL, "metric protocol")
    names: list[str] = []
    for entry in METRICS.values() if metrics == ["all"] else expand(metrics):
        names += needed(entry, FEATURES, chosen)
    return names


def _checkpoint(label: str, plugins: tuple[str, ...]) -> File:
    from bench.core.registry import lookup
    from bench.run.checkpoints import checkpoint_pin, source
    from bench.run.opening import methods_table
    from bench.run.plugins import row_of, usable

    method, _, name = label.partition("@")
    entry = usable(row_of(methods_table(plugins), method.partition(":")[0]))
    return checkpoint_pin(lookup(source(entry).get("checkpoints", {}), name, f"checkpoint of {entry.name}"))
