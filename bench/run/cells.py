"""From what was asked to cells: (method, settings, seed) on one dataset at one preset. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import contract
from bench.contract import MethodEntry
from bench.core import registry
from bench.core.failures import contained
from bench.core.files import cache_root
from bench.core.readings import Readings
from bench.errors import AdapterError, UsageError
from bench.results.record import STAGES
from bench.run.checkpoints import Named, named
from bench.run.config import RunConfig
from bench.run.method_string import Method, parse_list
from bench.run.plugins import row_of
from bench.run.presets import PRESETS, Preset
from bench.run.published import expanded
from bench.run.settings import Decoding, resolve_decoding, resolve_prior, settings_of, with_options


@dataclass(frozen=True)
class Cell:
    """One row and seed of the comparison; ``stages`` are those asked for and their predecessors, in order.

    ``settings`` are the tokenizer's, ``prior`` the prior's, None where the method has none; ``weights`` is what its
    ``@weights`` name. ``fault`` is what the method's own code raised before anything was run: the cell fails with it.
    """

    method: Method
    entry: MethodEntry
    settings: Any
    seed: int
    stages: tuple[str, ...]
    task: str | None = None
    prior: Any = None
    decoding: Decoding = field(default_factory=Decoding)
    weights: Named = field(default_factory=Named)
    fault: str | None = None

    @property
    def code(self) -> contract.Method[Any]:
        """What the cell's method can do. Imports torch."""
        return registry.method_of(self.entry)

    @property
    def label(self) -> str:
        """The row label."""
        return self.method.label


def preset_of(config: RunConfig) -> Preset:
    """The preset with the ``--set KEY=VALUE`` changes."""
    preset = registry.lookup(PRESETS, config.preset, "preset")
    changes = dict(_assignment(text) for text in config.set)
    changeable = {
        f.name: getattr(preset, f.name) for f in dataclasses.fields(preset) if f.name not in ("name", "purpose")
    }
    return with_options(preset, changes, f"the preset '{preset.name}'", allowed=changeable)


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {text} is not of the form KEY=VALUE.")
    return key.replace("-", "_"), value


def parse_methods(texts: Sequence[str], table: Mapping[str, MethodEntry]) -> list[Method]:
    """The parsed methods of a command line, each one known to the table."""
    methods = parse_list(texts, [name for name, entry in table.items() if entry.takes_rest], list(table))
    for method in methods:
        row_of(table, method.name)
    return methods


def stages_with_predecessors(asked: Sequence[str]) -> tuple[str, ...]:
    """The stages in their fixed order, with those that must run before them."""
    for stage in asked:
        if stage not in STAGES:
            raise UsageError(f"There is no stage '{stage}'.{registry.suggestion(stage, STAGES)}")
    wanted = set_of_stages(asked)
    return tuple(stage for stage in STAGES if stage in wanted)


NEEDS: Mapping[str, tuple[str, ...]] = {
    "train": (),
    "recon": ("train",),
    "cost": (),
    "prior": ("train",),
    "sample": ("train", "prior"),
    "gen": ("train", "prior", "sample"),
}


def set_of_stages(asked: Sequence[str]) -> frozenset[str]:
    """The stages asked for and all that they need."""
    return frozenset(asked).union(*(NEEDS[stage] for stage in asked))


def cells(config: RunConfig, table: Mapping[str, MethodEntry], readings: Readings | None = None) -> list[Cell]:
    """All cells of a run, methods outermost. Raises :class:`UsageError` for anything unknown.

    ``readings`` is what the run has read of weight files by now. A method whose own code raises gives one cell that
    says so.
    """
    known = Readings() if readings is None else readings
    preset, stages = preset_of(config), stages_with_predecessors(config.stages)
    found: list[Cell] = []
    for method in parse_methods(expanded(config.methods, table, preset.resolution), table):
        entry = table[method.name]
        try:
            with contained():
                found += _cells_of(method, entry, config, preset, stages, known)
        except AdapterError as error:
            found.append(
                Cell(method, entry, contract.NoSettings(), config.seeds[0], stages, config.task, fault=str(error))
            )
    return found


def _cells_of(
    method: Method, entry: MethodEntry, config: RunConfig, preset: Preset, stages: tuple[str, ...], known: Readings
) -> list[Cell]:
    """The cells of one method, one for each seed."""
    weights = named(method, entry, cache_root(), known)
    settings = settings_of(method, entry, preset, weights, known)
    decoding, prior = resolve_decoding(method, entry, settings), resolve_prior(method, entry, config.preset)
    seeds = config.seeds if is_random(method, entry) or decoding.noise else config.seeds[:1]
    return [Cell(method, entry, settings, seed, stages, config.task, prior, decoding, weights) for seed in seeds]


def is_random(method: Method, entry: MethodEntry) -> bool:
    """Whether a method's results depend on the training seed; a row without training needs one seed only."""
    able = registry.method_of(entry)
    return able.prior is not None or (able.learner is not None and method.weights is None)
