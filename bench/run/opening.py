"""What a configuration names, opened: the table of methods, the cells, the dataset, the session of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.core.progress import quiet, silent
from bench.data.dataset import Dataset

if TYPE_CHECKING:
    from bench.core.progress import Progress
    from bench.core.readings import Readings
    from bench.run.cells import Cell
    from bench.run.config import RunConfig
    from bench.run.session import Session


def methods_table(plugins: tuple[str, ...]) -> dict[str, Any]:
    """Built-in methods, installed plugins and ``--plugin`` files."""
    from bench.run.plugins import with_plugins
    from methods import METHODS

    return with_plugins(METHODS, plugins)


def cells_of(config: RunConfig, readings: Readings | None = None) -> list[Cell]:
    """The cells of a run, every name checked; ``readings`` is what the command has read of weight files by now."""
    from bench.run.cells import cells

    return cells(config, methods_table(config.plugin), readings)


def open_dataset(config: RunConfig, progress: Progress = silent) -> Dataset:
    """The prepared dataset; it is prepared now where it is not yet."""
    from bench.data.datasets import asked, opened
    from bench.run.cells import preset_of

    side, offline, on_bad = preset_of(config).resolution, config.offline, config.on_bad
    entry, request = asked(
        config.dataset,
        side,
        config.protocol,
        offline=offline,
        on_bad=on_bad,
        progress=progress,
        verify=config.verify,
    )
    return opened(entry, request)


def session_of(
    config: RunConfig,
    dataset: Dataset,
    readings: Readings | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = quiet,
) -> Session:
    """Everything the stages of this run share."""
    from bench.core.files import cache_root
    from bench.core.readings import Readings
    from bench.core.registry import lookup
    from bench.metrics import measured
    from bench.metrics.features import FEATURES
    from bench.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS
    from bench.run.cells import preset_of
    from bench.run.session import Session, Tables

    protocol = lookup(PROTOCOLS, config.metric_protocol or DEFAULT_PROTOCOL, "metric protocol")
    return Session(
        config=config,
        preset=preset_of(config),
        dataset=dataset,
        tables=Tables(methods_table(config.plugin), measured(protocol), FEATURES),
        protocol=protocol,
        cache=cache_root(),
        progress=progress,
        say=say,
        readings=readings or Readings(),
    )
