"""Everything a run needs, checked before anything is spent; everything that is missing, at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.failures import contained
from bench.core.progress import quiet, silent
from bench.core.readings import Readings
from bench.data.dataset import Dataset
from bench.errors import AdapterError, UsageError
from bench.run import tokenizers
from bench.run.job import Job, job_of
from bench.run.opening import cells_of, methods_table, open_dataset, session_of

if TYPE_CHECKING:
    from bench.core.progress import Progress
    from bench.run.cells import Cell
    from bench.run.config import RunConfig
    from bench.run.session import Session


FEW = 100
"""Held-out images below which a run says how few there are."""


@dataclass(frozen=True)
class Findings:
    """What keeps a run from starting (``missing``) and what it will do without (``notes``), a sentence each.

    ``replaceable`` is what is missing of networks in losses, for which a trial may take random ones. ``faults`` are
    the rows that will fail, for their own code raises; the others are run.
    """

    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    replaceable: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def complete(self) -> None:
        """Raises :class:`UsageError` that lists everything that is missing."""
        if self.missing:
            count = f"{len(self.missing)} thing{'s' * (len(self.missing) > 1)}"
            raise UsageError(f"{count} missing:\n  - " + "\n  - ".join(self.missing))


@dataclass(frozen=True)
class Prepared:
    """A run that was checked: its jobs, none where its methods or its dataset cannot be had."""

    config: RunConfig
    findings: Findings
    jobs: tuple[Job, ...] = ()


def prepare(config: RunConfig, progress: Progress = silent, say: Callable[[str], None] = quiet) -> Prepared:
    """Opens what a run needs, once for the checks and for the run, and says everything at once; nothing is trained."""
    from bench.core.files import cache_root, check_writable
    from bench.run import networks
    from bench.run.stages import beforehand

    found: list[str] = []
    notes: list[str] = []
    readings = Readings()

    def attempt(check: Callable[[], object]) -> None:
        try:
            check()
        except UsageError as error:
            found.append(str(error))

    everything: list[Cell] = []
    attempt(lambda: everything.extend(sound(cell) for cell in cells_of(config, readings)))
    cells = [cell for cell in everything if cell.fault is None]
    attempt(lambda: check_task(cells))
    attempt(lambda: notes.extend(check_stages(cells, config)))
    datasets: list[Dataset] = []
    attempt(lambda: datasets.append(open_dataset(config, progress)))
    attempt(lambda: check_writable(config.out))
    attempt(lambda: notes.extend(check_cache(cache_root())))
    attempt(lambda: check_device(config))
    attempt(lambda: check_seeds(config.sample_seeds))
    for cell in cells:
        attempt(partial(check_resolution, cell, config))
        attempt(cell.weights.found)
        if "prior" in cell.stages:
            attempt(partial(tokenizers.check_prior, cell, readings))
    jobs: list[Job] = []
    for dataset in datasets:
        notes.extend(remarks(dataset))
        attempt(lambda: jobs.extend(jobs_of(everything, session_of(config, datasets[0], readings, progress, say))))
        attempt(lambda: found.extend(beforehand.problems(jobs)))
    attempt(lambda: notes.extend(of_checkpoints(cells, config)))
    of_losses, of_metrics = networks.check(cells, config)
    found += of_losses
    (found if config.strict else notes).extend(of_metrics)
    notes += networks.stand_ins(cells, config)
    findings = Findings(
        missing=tuple(dict.fromkeys(found)),
        notes=tuple(notes),
        replaceable=tuple(dict.fromkeys(of_losses)),
        faults=tuple(f"'{cell.label}': {cell.fault}" for cell in everything if cell.fault is not None),
    )
    return Prepared(config, findings, tuple(jobs))


def sound(cell: Cell) -> Cell:
    """The cell; with its ``fault`` where a function of its method raises before anything is run."""
    from bench.run.stages import conditional

    try:
        with contained():
            conditional.not_applicable(cell)
            tokenizers.networks(cell)
            tokenizers.noise_facts(cell)
            tokenizers.bit_depth(cell)
    except AdapterError as error:
        return replace(cell, fault=str(error))
    return cell


def jobs_of(cells: Sequence[Cell], session: Session) -> list[Job]:
    """The jobs of a run."""
    return [job_of(cell, session) for cell in cells]


def check_cache(cache: Path) -> list[str]:
    """A note where the cache can be read only. Raises :class:`UsageError` where there is none and none can be made."""
    from bench.core.files import check_writable

    try:
        check_writable(cache)
    except UsageError:
        if not cache.is_dir() or not any(cache.iterdir()):
            raise
        return [f"the cache {cache} cannot be written: what is not in it yet cannot be made; BENCH_CACHE names another"]
    return []


def of_checkpoints(cells: Sequence[Cell], config: RunConfig) -> list[str]:
    """What the run would fetch of published checkpoints, and which of them it leaves out for their size."""
    from bench.run.cells import preset_of
    from bench.run.published import left_out, to_fetch

    table = {cell.method.name: cell.entry for cell in cells}
    everything = methods_table(config.plugin)
    labels = [f"{cell.method.name}@{cell.method.weights}" for cell in cells]
    said = (left_out(config.methods, everything, preset_of(config).resolution), to_fetch(labels, table))
    return [sentence for sentence in said if sentence is not None]


def check_device(config: RunConfig) -> None:
    """Raises :class:`UsageError` for a device that is not here, and where it cannot be compiled for."""
    from bench.core.devices import check_compiler, choose_device

    if config.device != "auto" or config.compile:
        device = choose_device(config.device)
        if config.compile:
            check_compiler(device)


def check_task(cells: list[Cell]) -> None:
    """Raises :class:`UsageError` where no method of the run has its conditional task."""
    from bench.run.stages import conditional

    reasons = {cell.label: conditional.not_applicable(cell) for cell in cells if cell.task is not None}
    if reasons and all(reasons.values()):
        said = "; ".join(f"'{label}': {reason}" for label, reason in reasons.items())
        raise UsageError(f"No method of this run has the task '{cells[0].task}' ({said}).")


def check_stages(cells: list[Cell], config: RunConfig) -> list[str]:
    """A note for each method to which none of the stages asked for applies.

    Raises :class:`UsageError` where that is so of all: there would be nothing to run.
    """
    from bench.results.record import STAGES
    from bench.run.stages import stage

    idle: list[str] = []
    for cell in cells:
        reasons = {name: stage(name).not_applicable(cell) for name in STAGES}
        if all(reasons[name] is not None for name in config.stages):
            asked, why = ",".join(config.stages), "; ".join(dict.fromkeys(str(reasons[n]) for n in config.stages))
            other = ",".join(name for name in STAGES if reasons[name] is None)
            remedy = f"; it has --stages {other}" if other else ""
            idle.append(f"none of the stages {asked} applies to '{cell.label}' ({why}){remedy}")
    if idle and len(idle) == len(cells):
        raise UsageError("; ".join(dict.fromkeys(idle)) + ".")
    return list(dict.fromkeys(idle))


def remarks(dataset: Dataset) -> list[str]:
    """What a reader of the tables should know of the images before anything is measured."""
    from bench.data import manifest
    from bench.data.prepare import CONTENT_SPLIT

    count = len(dataset.val)
    said = [f"{dataset.name}: {count} validation images, {_prepared(dataset)}"]
    for name, split in (("training", "train"), ("validation", "val")):
        absent = manifest.left_out(dataset.facts.get(split) or {}, name, dataset.resolution)
        said += [absent] if absent else []
    said += [text for text in (manifest.ignored(dataset.facts), manifest.oddities(dataset.facts)) if text]
    lacking = manifest.incomplete(dataset.facts)
    said += [f"{dataset.name} is {lacking}"] if lacking else []
    if dataset.facts.get("split") == CONTENT_SPLIT:
        said.append(f"{dataset.name} has no parts named after training and validation: split {CONTENT_SPLIT}")
    if dataset.facts.get("prepared_by"):
        said.append(f"{dataset.name} was prepared by {dataset.facts['prepared_by']}; give it anew with `data prepare`")
    if dataset.facts.get("split") == CONTENT_SPLIT and count < FEW:
        said.append(
            f"only a tenth of {dataset.name} is held out, {count} images; where nothing is trained on it, "
            "--dataset testset:PATH measures all of them"
        )
    return said


def _prepared(dataset: Dataset) -> str:
    """How the validation images were prepared, and at which size they are measured."""
    from bench.core import native
    from bench.data import sized

    side = f"{dataset.resolution}x{dataset.resolution}"
    if not native.is_native(dataset.protocol):
        return f"cropped and resized by '{dataset.protocol}' to {side} pixels"
    most = native.longest(dataset.protocol)
    reduced = "neither cropped nor resized" if most is None else f"reduced to a long side of at most {most} pixels"
    training = f"; what is trained is trained at {side}" if dataset.train is not None else ""
    return f"{reduced}: {sized.said(sized.sizes(dataset.val))} pixels{training}"


def check_resolution(cell: Cell, config: RunConfig) -> None:
    """A published checkpoint fixes the resolution. Raises :class:`UsageError` where the preset has another."""
    from bench.run.cells import preset_of
    from bench.run.checkpoints import published_resolution

    fixed, preset = published_resolution(cell.method, cell.entry), preset_of(config)
    if fixed is not None and fixed != preset.resolution:
        raise UsageError(
            f"'{cell.label}' was trained at {fixed} px, but the preset '{preset.name}' has {preset.resolution}; "
            f"choose a preset of {fixed} px, or add --set resolution={fixed}."
        )


def check_seeds(sample_seeds: str | None) -> None:
    """Raises :class:`UsageError` for ``--sample-seeds`` that name no samples, or one twice: before any training."""
    from bench.evaluate.generate import Order, parse_seeds

    if sample_seeds is not None:
        Order(parse_seeds(sample_seeds), batch=1)
