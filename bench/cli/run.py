"""``run``, ``train`` and ``validate``: cells through stages, ending in the comparison table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.report.quoted import quoted_tables

if TYPE_CHECKING:
    from bench.report.table import Table
    from bench.results.record import Result
    from bench.run.config import RunConfig

Methods = Annotated[list[str] | None, typer.Option("--methods", "-m", help="name[:variant][@weights][:k=v,...], ...")]
DatasetName = Annotated[str | None, typer.Option("--dataset", "-d", help="photos (default), church, folder:PATH, ...")]
PresetName = Annotated[str | None, typer.Option("--preset", help="smoke, small (default), medium or paper")]
Protocol = Annotated[str | None, typer.Option(help="data protocol: ldm, stylegan, rqvae or adm")]
MetricProtocolName = Annotated[str | None, typer.Option(help="protocol of the set metrics (bench list protocols)")]
Stages = Annotated[str | None, typer.Option(help="of train,recon,cost,prior,sample,gen; default train,recon,cost")]
Task = Annotated[str | None, typer.Option(help="conditional generation: upsample or colorize")]
Seeds = Annotated[str | None, typer.Option(help="training seeds, for example 0,1,2")]
SampleSeeds = Annotated[str | None, typer.Option(help="seeds of the samples, for example 0-999")]
Limit = Annotated[int | None, typer.Option(help="at most this many training images (marks the row)")]
EvalLimit = Annotated[int | None, typer.Option(help="at most this many validation images (marks the row)")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps")]
Out = Annotated[Path | None, typer.Option(help="results folder; default results/local")]
Offline = Annotated[bool | None, typer.Option("--offline", help="never open a connection")]
Strict = Annotated[bool | None, typer.Option("--strict", help="a metric without its weights is an error at the start")]
StandIn = Annotated[bool | None, typer.Option("--stand-in", help="random weights for absent networks (marks rows)")]
Overwrite = Annotated[bool | None, typer.Option("--overwrite", help="measure again what is there")]
FailFast = Annotated[bool | None, typer.Option("--fail-fast/--keep-going", help="stop at the first failing cell")]
Clock = Annotated[bool | None, typer.Option("--clock", help="measure encode and decode images/s and memory")]
Deterministic = Annotated[bool | None, typer.Option("--deterministic", help="deterministic algorithms, no TF32")]
OnBad = Annotated[str | None, typer.Option(help="unreadable images: skip (default) or fail")]
MicroBatch = Annotated[int | None, typer.Option(help="largest batch of one forward pass; gradients accumulate")]
ChannelsLast = Annotated[bool | None, typer.Option("--channels-last", help="networks in channels-last memory layout")]
Compile = Annotated[bool | None, typer.Option("--compile", help="torch.compile for encoders and decoders")]
TensorBoard = Annotated[bool | None, typer.Option("--tensorboard", help="write event files into the run's folder")]
Plugin = Annotated[list[str] | None, typer.Option(help="a Python file that defines METHOD = MethodEntry(...)")]
Changes = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE of the preset (marks the row)")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file with keys equal to the flags")]
Json = Annotated[bool, typer.Option("--json", help="results as JSON on stdout instead of the table")]
Rehearse = Annotated[bool, typer.Option("--rehearse", help="try every cell for moments; forecast time, memory, disk")]
Debug = Annotated[bool | None, typer.Option("--debug", help="full tracebacks")]


def run(
    methods: Methods = None,
    dataset: DatasetName = None,
    preset: PresetName = None,
    protocol: Protocol = None,
    metric_protocol: MetricProtocolName = None,
    stages: Stages = None,
    task: Task = None,
    seeds: Seeds = None,
    sample_seeds: SampleSeeds = None,
    limit: Limit = None,
    eval_limit: EvalLimit = None,
    device: Device = None,
    out: Out = None,
    offline: Offline = None,
    strict: Strict = None,
    stand_in: StandIn = None,
    overwrite: Overwrite = None,
    fail_fast: FailFast = None,
    clock: Clock = None,
    deterministic: Deterministic = None,
    on_bad: OnBad = None,
    micro_batch: MicroBatch = None,
    channels_last: ChannelsLast = None,
    compile_: Compile = None,
    tensorboard: TensorBoard = None,
    plugin: Plugin = None,
    set_: Changes = None,
    config: ConfigFile = None,
    json: Json = False,
    debug: Debug = None,
) -> int:
    """Train or load tokenizers, measure them, and print the comparison table. The same command again resumes."""
    flags = {name.rstrip("_"): value for name, value in locals().items() if name not in ("config", "json")}
    return _execute(flags, config, json)


def train(
    methods: Methods = None,
    dataset: DatasetName = None,
    preset: PresetName = None,
    protocol: Protocol = None,
    seeds: Seeds = None,
    limit: Limit = None,
    device: Device = None,
    out: Out = None,
    offline: Offline = None,
    stand_in: StandIn = None,
    overwrite: Overwrite = None,
    fail_fast: FailFast = None,
    deterministic: Deterministic = None,
    micro_batch: MicroBatch = None,
    channels_last: ChannelsLast = None,
    compile_: Compile = None,
    tensorboard: TensorBoard = None,
    plugin: Plugin = None,
    set_: Changes = None,
    config: ConfigFile = None,
    json: Json = False,
    debug: Debug = None,
) -> int:
    """Only train: `run --stages train`."""
    flags = {name.rstrip("_"): value for name, value in locals().items() if name not in ("config", "json")}
    return _execute({**flags, "stages": "train"}, config, json)


def validate(
    methods: Methods = None,
    dataset: DatasetName = None,
    preset: PresetName = None,
    protocol: Protocol = None,
    metric_protocol: MetricProtocolName = None,
    stages: Stages = None,
    task: Task = None,
    seeds: Seeds = None,
    sample_seeds: SampleSeeds = None,
    limit: Limit = None,
    eval_limit: EvalLimit = None,
    device: Device = None,
    out: Out = None,
    offline: Offline = None,
    strict: Strict = None,
    stand_in: StandIn = None,
    deterministic: Deterministic = None,
    micro_batch: MicroBatch = None,
    channels_last: ChannelsLast = None,
    compile_: Compile = None,
    plugin: Plugin = None,
    set_: Changes = None,
    config: ConfigFile = None,
    rehearse: Rehearse = False,
) -> int:
    """Check everything that `run` would need and list at once what is missing.

    With --rehearse every cell takes a few steps, and a forecast is printed of the time, memory and disk of the run.
    """
    from bench.cli import rehearse as rehearsing
    from bench.run import checks
    from bench.run.config import run_config

    flags = {name.rstrip("_"): value for name, value in locals().items() if name in VALIDATED}
    settings: RunConfig = run_config(flags, config)
    problems, notes = checks.problems(settings)
    if rehearse:
        problems, notes = rehearsing.with_stand_ins(settings, problems, notes)
    for note in notes:
        typer.echo(f"note: {note}")
    for problem in problems:
        typer.echo(f"missing: {problem}", err=True)
    if problems:
        return 2
    typer.echo("Everything that this run needs is here.")
    return rehearsing.rehearse(settings) if rehearse else 0


VALIDATED = (
    *("methods", "dataset", "preset", "protocol", "metric_protocol", "stages", "task", "seeds", "sample_seeds"),
    *("limit", "eval_limit", "device", "out", "offline", "strict", "stand_in", "deterministic", "micro_batch"),
    *("channels_last", "compile_", "plugin", "set_"),
)


def _execute(flags: dict[str, Any], file: Path | None, json: bool) -> int:
    from bench.cli import rehearse as rehearsing
    from bench.core.readings import Readings
    from bench.errors import UsageError
    from bench.run import checks, experiment
    from bench.run.config import run_config

    settings: RunConfig = run_config(flags, file)
    readings = Readings()
    problems, notes = checks.problems(settings, readings)
    if problems:
        raise UsageError(f"{len(problems)} thing{'s' * (len(problems) > 1)} missing:\n  - " + "\n  - ".join(problems))
    for note in [*notes, *rehearsing.offer(settings)]:
        sys.stderr.write(f"note: {note}\n")
    results = experiment.execute(settings, readings=readings)
    show(settings, results, json)
    return 3 if any(result.status == "failed" for result in results) else 0


def show(config: RunConfig, results: list[Result], as_json: bool) -> None:
    """The comparison table (or the results as JSON) on stdout, and the names of the written files on stderr."""
    import dataclasses

    from bench.report import tables
    from bench.report.writers import text

    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(result) for result in results], indent=2, sort_keys=True))
    else:
        generation = ("generation",) if "gen" in config.stages else ()
        clocked = ("cost",) if config.clock else ()
        for table in tables.tables(results, ("comparison", *clocked, *generation)):
            typer.echo(text.to_text(table))
        for dataset in dict.fromkeys(result.dataset for result in results):
            for table in _published(dataset, "generation" if generation else "reconstruction"):
                typer.echo(text.to_text(table))
    sys.stderr.write(f"results: {config.out}\n")


def _published(dataset: str, kind: str) -> list[Table]:
    """What the literature prints for a dataset, of one kind of table."""
    from bench.report.quoted import literature

    quoted = [table for table in quoted_tables() if table.dataset == dataset]
    return [table for table in literature(quoted, dataset) if table.name == kind] if quoted else []
