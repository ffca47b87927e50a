"""``reproduce``: re-runs exactly the cell behind a result and compares."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.core.visible import visible
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.results.record import Measurement, Result
    from bench.run.config import RunConfig

File = Annotated[Path, typer.Argument(help="a result file, <stage>.json")]
Keep = Annotated[Path | None, typer.Option(help="keep the new results in this folder")]
CLOCKED = ("training-seconds", "encode-images-per-second", "decode-images-per-second", "peak-memory-bytes")


def reproduce(file: File, out: Keep = None) -> int:
    """Say what of the environment differs, run the result's cell again from nothing, and compare the numbers.

    Exit 0 when every number is equal to within its metric's tolerance, else 1.
    """
    from bench.results.provenance import difference, environment, provenance
    from bench.results.store import read

    recorded = read(file)
    if recorded.status != "ok":
        raise UsageError(f"{file} holds no numbers (status {recorded.status}), so there is nothing to reproduce.")
    import torch  # noqa: F401  (loaded, so that GPUs and switches are part of the present environment)

    lines = difference(environment(recorded.provenance), provenance())
    typer.echo("Environment: " + ("the same." if not lines else f"{len(lines)} differences"))
    for line in lines:
        typer.echo(visible(f"  {line}"))
    with _fresh_cache() as folder:
        again = _run_again(recorded, out or folder / "results")
    return _compare(recorded, again)


@contextmanager
def _fresh_cache() -> Iterator[Path]:
    """An empty cache for the time of the run, so that nothing earlier is reused; weights stay where they are."""
    from bench.core.fetch import WEIGHTS_VARIABLE, folders
    from bench.core.files import CACHE_VARIABLE

    before = {name: os.environ.get(name) for name in (CACHE_VARIABLE, WEIGHTS_VARIABLE)}
    weights = os.pathsep.join(str(path) for path in folders())
    with tempfile.TemporaryDirectory(prefix="bench-reproduce-") as folder:
        os.environ[CACHE_VARIABLE], os.environ[WEIGHTS_VARIABLE] = folder, weights
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _run_again(recorded: Result, out: Path) -> Result:
    from bench.core.progress import on_stderr, say
    from bench.run import experiment

    config = _config(recorded.arguments, recorded, out)
    results = experiment.run(config, on_stderr(), say, with_floor=False)
    return next(r for r in results if r.stage == recorded.stage and r.method == recorded.method)


def _config(arguments: Mapping[str, Any], recorded: Result, out: Path) -> RunConfig:
    """The run that the result came from, reduced to its cell."""
    from bench.run.config import run_config

    own = {"methods": [recorded.method], "seeds": [recorded.seed], "stages": [recorded.stage], "out": out}
    return run_config({**arguments, **own}, None)


def _compare(recorded: Result, again: Result) -> int:
    if again.status != "ok":
        typer.echo(visible(f"The cell did not finish: {again.error}"))
        return 1
    from bench.metrics import METRICS

    now = {m.name: m for m in again.metrics}
    worst = 0
    for measurement in recorded.metrics:
        if measurement.name in CLOCKED or measurement.value is None:
            continue
        entry = METRICS.get(measurement.name)
        allowed = 0.0
        if entry is not None:
            allowed = max(entry.tolerance.absolute, entry.tolerance.relative * abs(measurement.value))
        worst = max(worst, _line(measurement, now.get(measurement.name), allowed))
    typer.echo("Reproduced." if worst == 0 else "Not reproduced.")
    return worst


def _line(recorded: Measurement, now: Measurement | None, allowed: float) -> int:
    if now is None or now.value is None or recorded.value is None:
        typer.echo(f"  {recorded.name}: {recorded.value} -> absent")
        return 1
    difference = now.value - recorded.value
    if difference == 0:
        typer.echo(f"  {recorded.name}: {recorded.value:.6g}, equal")
        return 0
    verdict = "within" if abs(difference) <= allowed else "outside"
    typer.echo(f"  {recorded.name}: {recorded.value:.6g} -> {now.value:.6g}, {verdict} the tolerance of {allowed:g}")
    return 0 if abs(difference) <= allowed else 1
