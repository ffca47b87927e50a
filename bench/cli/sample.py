"""``sample``: draws images from a method's prior and writes them as PNG files named after their seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.flags import Flags, with_flags

if TYPE_CHECKING:
    from bench.run.job import Job

MethodName = Annotated[str, typer.Argument(help="one method, for example brics:steps=50")]
SampleSeeds = Annotated[str, typer.Option(help="which samples, for example 0-999 or 1,5,10-20; a sample is its seed")]
Folder = Annotated[Path, typer.Option(help="folder for seed000000.png, ...")]
Results = Annotated[Path | None, typer.Option(help="results folder of the training stages; default results/local")]
TrainingSeed = Annotated[int, typer.Option(help="training seed of tokenizer and prior")]
Label = Annotated[
    int | None, typer.Option(help="class of all samples, where the prior has classes; default: seed mod classes")
]
Shard = Annotated[str, typer.Option(help="K/N draws only every N-th block of seeds, from the K-th (0 to N-1) on")]


@with_flags(("dataset", "preset", "protocol", "device", "stand_in", "plugin", "set", "debug"))
def sample(
    flags: Flags,
    method: MethodName,
    sample_seeds: SampleSeeds,
    out: Folder,
    seed: TrainingSeed = 0,
    label: Label = None,
    shard: Shard = "0/1",
    results: Results = None,
) -> int:
    """Draw images from a method's prior. Tokenizer and prior are trained where they are not yet.

    Equal seeds give equal images on the same machine, however the work is sharded, ordered, interrupted and resumed.
    """
    from bench.core.progress import say
    from bench.data.export import export
    from bench.evaluate.generate import parse_seeds
    from bench.run.stages.sample import Drawing, label_rule, samples

    drawing = Drawing(label, parse_shard(shard))
    own = {"seeds": (seed,), "out": results, "sample_seeds": sample_seeds, "stages": "prior"}
    job = _planned(method, {**flags, **own})
    label_rule(job.cell, drawing)
    _train(job)
    drawn = samples(job, drawing)
    if drawn is None:
        say(f"Shard {shard} is drawn; the images are written when all shards are.")
        return 0
    export(drawn, parse_seeds(sample_seeds), out)
    for identity in job.tokenizer.stand_ins:
        say(f"note: the tokenizer was trained with {identity}; its images are for trying out")
    say(f"{len(drawn)} images: {out}")
    return 0


def parse_shard(text: str) -> tuple[int, int]:
    """``K/N`` with 0 <= K < N."""
    from bench.errors import UsageError

    first, slash, count = text.partition("/")
    if not (slash and first.isdecimal() and count.isdecimal() and int(first) < int(count)):
        raise UsageError(f"--shard {text} is not K/N with K from 0 to N-1, for example 0/4.")
    return int(first), int(count)


def _planned(method: str, flags: Flags) -> Job:
    """The one cell in its session, everything that it needs being there; nothing is trained yet."""
    from bench.core.progress import on_stderr, say
    from bench.errors import UsageError
    from bench.run import checks
    from bench.run.config import run_config
    from bench.run.stages.sample import not_applicable

    prepared = checks.prepare(run_config({**flags, "methods": (method,)}, None), on_stderr(), say)
    prepared.findings.complete()
    if len(prepared.jobs) != 1:
        raise UsageError(f"'{method}' names {len(prepared.jobs)} methods; sample draws from one.")
    lacks = not_applicable(prepared.jobs[0].cell)
    if lacks is not None:
        raise UsageError(f"'{method}' draws no samples: {lacks}.")
    return prepared.jobs[0]


def _train(job: Job) -> None:
    """Trains the cell's tokenizer and prior where they are not yet. Raises :class:`BenchError` where one fails."""
    from bench.errors import BenchError
    from bench.run import runner

    for result in runner.failed(runner.run([job])):
        raise BenchError(f"{job.cell.label}, {result.stage}: {result.error}")
