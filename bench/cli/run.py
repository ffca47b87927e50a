"""``run``, ``train`` and ``validate``: cells through stages, ending in the comparison table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.flags import EVERY, TRAINING, Flags, with_flags
from bench.core.visible import visible
from bench.report.quoted import quoted_tables

if TYPE_CHECKING:
    from bench.report.table import Table
    from bench.results.record import Result
    from bench.run.config import RunConfig

ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with keys equal to the flags")]
Json = Annotated[bool, typer.Option("--json", help="results as JSON on stdout instead of the table")]
Rehearse = Annotated[bool, typer.Option("--rehearse", help="try every cell for moments; forecast time, memory, disk")]


@with_flags(EVERY)
def run(flags: Flags, config: ConfigFile = None, json: Json = False) -> int:
    """Train or load tokenizers, measure them, and print the comparison table. The same command again resumes."""
    return _execute(flags, config, json)


@with_flags(TRAINING)
def train(flags: Flags, config: ConfigFile = None, json: Json = False) -> int:
    """Only train: `run --stages train`."""
    return _execute({**flags, "stages": "train"}, config, json)


@with_flags(EVERY)
def validate(flags: Flags, config: ConfigFile = None, rehearse: Rehearse = False) -> int:
    """Check everything that `run` would need and list at once what is missing.

    With --rehearse every cell takes a few steps, and a forecast is printed of the time, memory and disk of the run.
    """
    from bench.cli import rehearse as rehearsing
    from bench.core.progress import on_stderr, say
    from bench.run import checks
    from bench.run.config import run_config

    prepared = checks.prepare(run_config(flags, config), on_stderr(), say)
    findings = rehearsing.with_stand_ins(prepared.findings) if rehearse else prepared.findings
    for note in findings.notes:
        typer.echo(visible(f"note: {note}"))
    for problem in findings.missing:
        typer.echo(visible(f"missing: {problem}"), err=True)
    for fault in findings.faults:
        typer.echo(visible(f"fails: {fault}"), err=True)
    if findings.missing:
        return 2
    if findings.faults and not rehearse:
        return 3
    typer.echo("Everything that this run needs is here.")
    return rehearsing.rehearse(prepared) if rehearse else 0


def _execute(flags: Flags, file: Path | None, json: bool) -> int:
    from bench.cli import rehearse as rehearsing
    from bench.core.progress import on_stderr, say
    from bench.run import checks, experiment
    from bench.run.config import run_config

    settings = run_config(flags, file)
    prepared = checks.prepare(settings, on_stderr(), say)
    prepared.findings.complete()
    for note in [*prepared.findings.notes, *rehearsing.offer(settings)]:
        say(f"note: {note}")
    results = experiment.execute(prepared)
    if not results:
        say(f"part {settings.part} has no cell: the run has fewer than that many trainings and rows without one")
    show(settings, results, json)
    return 3 if any(result.status == "failed" for result in results) else 0


def show(config: RunConfig, results: list[Result], as_json: bool) -> None:
    """The comparison table (or the results as JSON) on stdout, and the names of the written files on stderr."""
    import dataclasses

    from bench.core.progress import say
    from bench.report import tables
    from bench.report.choice import concise
    from bench.report.writers import text

    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(result) for result in results], indent=2, sort_keys=True))
    else:
        generation = ("generation",) if "gen" in config.stages else ()
        clocked = ("cost",) if config.clock else ()
        for table in tables.tables(results, ("comparison", *clocked, *generation)):
            typer.echo(text.to_text(concise(table)))
        for dataset in dict.fromkeys(result.dataset for result in results):
            for table in _published(dataset, "generation" if generation else "reconstruction"):
                typer.echo(text.to_text(table))
    say(f"results: {config.out}")


def _published(dataset: str, kind: str) -> list[Table]:
    """What the literature prints for a dataset, of one kind of table."""
    from bench.report.literature import literature

    quoted = [table for table in quoted_tables() if table.dataset == dataset]
    return [table for table in literature(quoted, dataset) if table.name == kind] if quoted else []
