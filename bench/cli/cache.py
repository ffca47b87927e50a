"""``cache ls``, ``cache verify`` and ``cache clean``: what the cache holds, by kind, and whether it is whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.examples import epilog
from bench.core.visible import visible

app = typer.Typer(help="Show, verify or empty the cache (BENCH_CACHE).", no_args_is_help=True)


@app.command("ls", epilog=epilog("cache ls"))
def ls() -> None:
    """List the kinds of cached things with their number and size."""
    from bench.core.files import cache_root

    root = cache_root()
    typer.echo(f"{root}")
    for kind in sorted(path for path in root.iterdir() if path.is_dir()) if root.exists() else []:
        files = [file for file in kind.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        typer.echo(f"  {kind.name:<12} {len(list(kind.iterdir())):>6} entries {size / 1e6:>10.1f} MB")


@app.command("verify", epilog=epilog("cache verify"))
def verify() -> None:
    """Compare everything in the cache that carries a digest with it; exits 5 where something is damaged."""
    from bench.core.files import cache_root
    from bench.errors import IntegrityError

    damaged = 0
    for kind, check in CHECKS.items():
        folders = sorted(path for path in (cache_root() / kind).glob("*") if path.is_dir() and not path.suffix)
        for folder in folders:
            try:
                check(folder)
            except IntegrityError as error:
                damaged += 1
                typer.echo(visible(f"damaged  {kind}: {error}"))
        typer.echo(f"{kind}: {len(folders)} verified")
    if damaged:
        raise IntegrityError(f"{damaged} entries of the cache are damaged; delete them, and they are made again.")


def _frozen(folder: Path) -> None:
    from bench.data.mixed import open_images

    open_images(folder)


def _weights(folder: Path) -> None:
    from bench.train.checkpoint import FINAL, read_final

    if (folder / FINAL).exists():
        read_final(folder / FINAL)


def _features(folder: Path) -> None:
    from bench.errors import IntegrityError
    from bench.metrics.feature_cache import is_intact

    if not is_intact(folder):
        raise IntegrityError(f"{folder} does not have the digest of its seal")


CHECKS: dict[str, Callable[[Path], None]] = {
    "sets": _frozen,
    "images": _frozen,
    "runs": _weights,
    "features": _features,
}
"""By kind of cached thing, what raises :class:`bench.errors.IntegrityError` for a damaged one."""


@app.command("clean", epilog=epilog("cache clean"))
def clean(
    kinds: Annotated[list[str] | None, typer.Argument(help="kinds shown by `cache ls`; none: all but weights")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Delete cached things; they are made again when they are needed. Weights and runs cost most to bring back."""
    import shutil

    from bench.core.files import cache_root, explained
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
        with explained(path):
            shutil.rmtree(path)
    typer.echo(f"Deleted {names}.")
