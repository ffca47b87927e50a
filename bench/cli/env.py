"""``env``: the provenance block, for bug reports."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer


def env(
    diff: Annotated[Path | None, typer.Option(help="a result file: show only what differs from it")] = None,
) -> None:
    """Print commit, packages, hardware and determinism switches, or how they differ from a result's."""
    import torch  # noqa: F401  (loaded so that GPUs and determinism are part of the block)

    from bench.results.provenance import difference, environment, provenance
    from bench.results.store import read

    present = provenance()
    if diff is None:
        typer.echo(json_module.dumps(present, indent=2))
        return
    lines = difference(environment(read(diff).provenance), present)
    typer.echo("\n".join(lines) if lines else "Nothing differs.")
