"""Everything a run needs, checked before anything is spent; everything that is missing, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.data.dataset import Dataset
from bench.errors import UsageError
from bench.run.experiment import cells_of, open_dataset, session_of

if TYPE_CHECKING:
    from bench.core.readings import Readings
    from bench.run.cells import Cell
    from bench.run.config import RunConfig


FEW = 100
"""Held-out images below which a run says how few there are."""


def problems(config: RunConfig, readings: Readings | None = None) -> tuple[list[str], list[str]]:
    """What keeps a run from starting, and what it will do without; everything at once, nothing trained."""
    from bench.core.devices import check_compiler, choose_device
    from bench.core.files import cache_root, check_writable
    from bench.core.readings import Readings
    from bench.run import checkpoints, networks
    from bench.run.stages import beforehand

    found: list[str] = []
    notes: list[str] = []
    known = readings or Readings()

    def attempt(check: Any) -> None:
        try:
            check()
        except UsageError as error:
            found.append(str(error))

    cells: list[Cell] = []
    attempt(lambda: cells.extend(cells_of(config, known)))
    attempt(lambda: check_task(cells))
    datasets: list[Dataset] = []
    attempt(lambda: datasets.append(open_dataset(config)))
    attempt(lambda: check_writable(config.out))
    attempt(lambda: check_writable(cache_root()))
    if config.device != "auto":
        attempt(lambda: choose_device(config.device))
    if config.compile:
        attempt(lambda: check_compiler(choose_device(config.device)))
    attempt(lambda: check_seeds(config.sample_seeds))
    for cell in cells:
        attempt(lambda cell=cell: check_resolution(cell, config))
        attempt(lambda cell=cell: checkpoints.find(cell.method, cell.entry, cache_root(), known))
    for dataset in datasets:
        notes.extend(remarks(dataset))
        attempt(lambda dataset=dataset: found.extend(beforehand.problems(cells, session_of(config, dataset, known))))
    of_losses, of_metrics = networks.check(cells, config)
    found += of_losses
    (found if config.strict else notes).extend(of_metrics)
    notes += networks.stand_ins(cells, config)
    return list(dict.fromkeys(found)), notes


def check_task(cells: list[Cell]) -> None:
    """Raises :class:`UsageError` where no method of the run has its conditional task."""
    from bench.run.stages import conditional

    obstacles = {cell.label: conditional.obstacle(cell) for cell in cells if cell.task is not None}
    if obstacles and all(obstacles.values()):
        said = "; ".join(f"'{label}': {reason}" for label, reason in obstacles.items())
        raise UsageError(f"No method of this run has the task '{cells[0].task}' ({said}).")


def remarks(dataset: Dataset) -> list[str]:
    """What a reader of the tables should know of the images before anything is measured."""
    from bench.data import manifest
    from bench.data.prepare import CONTENT_SPLIT

    count, size = len(dataset.val), f"{dataset.resolution}x{dataset.resolution}"
    said = [f"{dataset.name}: {count} validation images, cropped and resized by '{dataset.protocol}' to {size} pixels"]
    for name, split in (("training", "train"), ("validation", "val")):
        absent = manifest.left_out(dataset.facts.get(split) or {}, name, dataset.resolution)
        said += [absent] if absent else []
    said += [text for text in (manifest.ignored(dataset.facts), manifest.oddities(dataset.facts)) if text]
    if dataset.facts.get("split") == CONTENT_SPLIT:
        said.append(f"{dataset.name} has no parts named after training and validation: split {CONTENT_SPLIT}")
    if dataset.facts.get("split") == CONTENT_SPLIT and count < FEW:
        said.append(
            f"only a tenth of {dataset.name} is held out, {count} images; where nothing is trained on it, "
            "--dataset testset:PATH measures all of them"
        )
    return said


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
