"""``cache ls`` and ``cache clean``: what the cache holds, by kind."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Show or empty the cache (BENCH_CACHE).", no_args_is_help=True)


@app.command("ls")
def ls() -> None:
    """List the kinds of cached things with their number and size."""
    from bench.core.files import cache_root

    root = cache_root()
    typer.echo(f"{root}")
    for kind in sorted(path for path in root.iterdir() if path.is_dir()) if root.exists() else []:
        files = [file for file in kind.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        typer.echo(f"  {kind.name:<12} {len(list(kind.iterdir())):>6} entries {size / 1e6:>10.1f} MB")


@app.command("clean")
def clean(
    kinds: Annotated[list[str] | None, typer.Argument(help="kinds shown by `cache ls`; none: all but weights")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Delete cached things; they are made again when they are needed. Weights and runs cost most to bring back."""
    import shutil

    from bench.core.files import cache_root
    from bench.core.registry import lookup

    root = cache_root()
    present = {path.name: path for path in root.iterdir() if path.is_dir()} if root.exists() else {}
    chosen = [lookup(present, kind, "kind of cached thing") for kind in kinds] if kinds else []
    if not kinds:
        chosen = [path for name, path in present.items() if name != "weights"]
    names = ", ".join(path.name for path in chosen) or "nothing"
    if not chosen or not (yes or typer.confirm(f"Delete {names} in {root}?")):
        typer.echo("Nothing was deleted.")
        return
    for path in chosen:
        shutil.rmtree(path)
    typer.echo(f"Deleted {names}.")
