"""Joining the rooms for ``run``: tables, dataset, session, runner, report."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bench.contract import UsageError
from bench.entries import Dataset, DatasetRequest

if TYPE_CHECKING:
    from bench.plan import Cell, RunConfig
    from bench.record import Result
    from bench.report.model import Table
    from bench.report.quoted import QuotedTable
    from bench.session import Session

FLOOR = "downsample"
"""The untrained method whose reconstruction at the same grid stands beside every tokenizer's."""

QUOTED = Path(__file__).resolve().parents[2] / "results" / "quoted"
"""Published numbers, in a checkout of this project; elsewhere they are named with --quoted or left away."""


def methods_table(plugins: tuple[str, ...]) -> dict[str, Any]:
    """Built-in methods, installed plugins and ``--plugin`` files."""
    from bench.registry import with_plugins
    from methods import METHODS

    return with_plugins(METHODS, plugins)


def cells_of(config: RunConfig) -> list[Cell]:
    """The cells of a run, every name checked."""
    from bench.plan import cells

    return cells(config, methods_table(config.plugin))


def problems(config: RunConfig) -> tuple[list[str], list[str]]:
    """What keeps a run from starting, and what it will do without; everything at once, nothing trained."""
    from bench import weights
    from bench.cli import pretrained
    from bench.devices import check_compiler, choose_device
    from bench.store import cache_root, check_writable

    found: list[str] = []
    notes: list[str] = []

    def attempt(check: Any) -> None:
        try:
            check()
        except UsageError as error:
            found.append(str(error))

    cells: list[Cell] = []
    attempt(lambda: cells.extend(cells_of(config)))
    attempt(lambda: check_task(cells))
    attempt(lambda: notes.extend(remarks(open_dataset(config))))
    attempt(lambda: check_writable(config.out))
    attempt(lambda: check_writable(cache_root()))
    if config.device != "auto":
        attempt(lambda: choose_device(config.device))
    if config.compile:
        attempt(lambda: check_compiler(choose_device(config.device)))
    attempt(lambda: check_seeds(config.sample_seeds))
    for cell in cells:
        attempt(lambda cell=cell: check_resolution(cell, config))
        attempt(lambda cell=cell: weights.find(cell.method, cell.entry, cache_root()))
    of_losses, of_metrics = pretrained.check(cells, config)
    found += of_losses
    (found if config.strict else notes).extend(of_metrics)
    notes += pretrained.stand_ins(cells, config)
    return list(dict.fromkeys(found)), notes


def check_task(cells: list[Cell]) -> None:
    """Raises :class:`UsageError` where no method of the run has its conditional task."""
    from bench.stages import tasks

    obstacles = {cell.label: tasks.obstacle(cell) for cell in cells if cell.task is not None}
    if obstacles and all(obstacles.values()):
        said = "; ".join(f"'{label}': {reason}" for label, reason in obstacles.items())
        raise UsageError(f"No method of this run has the task '{cells[0].task}' ({said}).")


FEW = 100
"""Held-out images below which a run says how few there are."""


def remarks(dataset: Dataset) -> list[str]:
    """What a reader of the tables should know of the images before anything is measured."""
    from bench.prepare import CONTENT_SPLIT

    count, size = len(dataset.val), f"{dataset.resolution}x{dataset.resolution}"
    said = [f"{dataset.name}: {count} validation images, cropped and resized by '{dataset.protocol}' to {size} pixels"]
    if dataset.facts.get("split") == CONTENT_SPLIT and count < FEW:
        said.append(
            f"only a tenth of {dataset.name} is held out, {count} images; where nothing is trained on it, "
            "--dataset testset:PATH measures all of them"
        )
    return said


def check_resolution(cell: Cell, config: RunConfig) -> None:
    """A published checkpoint fixes the resolution. Raises :class:`UsageError` where the preset has another."""
    from bench.plan import preset_of
    from bench.weights import published_resolution

    fixed, preset = published_resolution(cell.method, cell.entry), preset_of(config)
    if fixed is not None and fixed != preset.resolution:
        raise UsageError(
            f"'{cell.label}' was trained at {fixed} px, but the preset '{preset.name}' has {preset.resolution}; "
            f"choose a preset of {fixed} px, or add --set resolution={fixed}."
        )


def check_seeds(sample_seeds: str | None) -> None:
    """Raises :class:`UsageError` for ``--sample-seeds`` that name no samples, or one twice: before any training."""
    from bench.tasks.generate import Order, parse_seeds

    if sample_seeds is not None:
        Order(parse_seeds(sample_seeds), batch=1)


def open_dataset(config: RunConfig) -> Dataset:
    """The prepared dataset; it is prepared now where it is not yet."""
    from bench.datasets import DATASETS
    from bench.plan import dataset_of, preset_of
    from bench.registry import load
    from bench.store import cache_root

    entry, path = dataset_of(config.dataset, DATASETS)
    request = DatasetRequest(
        name=entry.name,
        path=path,
        resolution=preset_of(config).resolution,
        protocol=config.protocol or entry.protocol,
        cache=cache_root(),
        offline=config.offline,
        on_bad=config.on_bad,
        progress=_wrapped,
    )
    dataset: Dataset = load(entry.open)(request)
    return dataset


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _console() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def _wrapped(items: Iterator[Any], description: str, total: int) -> Iterator[Any]:
    """An iterable with a progress bar around it."""
    from bench.progress import bars

    with bars(_console())(description, total) as advance:
        for item in items:
            yield item
            advance(1)


def session_of(config: RunConfig, dataset: Dataset) -> Session:
    """Everything the stages of this run share."""
    from bench.features import FEATURES
    from bench.metrics import METRICS
    from bench.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS
    from bench.plan import preset_of
    from bench.progress import bars
    from bench.registry import lookup
    from bench.session import Session, Tables
    from bench.store import cache_root

    return Session(
        config=config,
        preset=preset_of(config),
        dataset=dataset,
        tables=Tables(methods_table(config.plugin), METRICS, FEATURES),
        protocol=lookup(PROTOCOLS, config.metric_protocol or DEFAULT_PROTOCOL, "metric protocol"),
        cache=cache_root(),
        progress=bars(_console()),
        say=_say,
    )


def execute(config: RunConfig, with_floor: bool = True) -> list[Result]:
    """Runs all cells, and with them the floor at their grids, and returns their results."""
    from bench import determinism, runner

    determinism.apply(config.deterministic)
    session = session_of(config, open_dataset(config))
    return runner.run(cells_of(config), session, session.tables.methods.get(FLOOR) if with_floor else None)


def show(config: RunConfig, results: list[Result], as_json: bool) -> None:
    """The comparison table (or the results as JSON) on stdout, and the names of the written files on stderr."""
    import dataclasses

    from bench.report import render, tables

    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(result) for result in results], indent=2, sort_keys=True))
    else:
        generation = ("generation",) if "gen" in config.stages else ()
        clocked = ("cost",) if config.clock else ()
        for table in tables.tables(results, ("comparison", *clocked, *generation)):
            typer.echo(render.to_text(table))
        for dataset in dict.fromkeys(result.dataset for result in results):
            for table in _published(dataset, "generation" if generation else "reconstruction"):
                typer.echo(render.to_text(table))
    sys.stderr.write(f"results: {config.out}\n")


def quoted_tables() -> tuple[QuotedTable, ...]:
    """Published figures, in a checkout of this project; elsewhere the tables stand without them."""
    from bench.report.quoted import load_quoted

    return tuple(load_quoted(QUOTED)) if QUOTED.is_dir() else ()


def _published(dataset: str, kind: str) -> list[Table]:
    """What the literature prints for a dataset, of one kind of table."""
    from bench.report.quoted import literature

    quoted = [table for table in quoted_tables() if table.dataset == dataset]
    return [table for table in literature(quoted, dataset) if table.name == kind] if quoted else []
