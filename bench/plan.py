"""From what was asked to cells: (method, settings, seed) on one dataset at one preset. No torch."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import registry
from bench.contract import STAGES, MethodEntry, UsageError
from bench.entries import DatasetEntry
from bench.grammar import Method, parse_list
from bench.options import Decoding, resolve_decoding, resolve_prior, settings_of, with_options
from bench.presets import DEFAULT_PRESET, PRESETS, Preset


@dataclass(frozen=True)
class RunConfig:
    """The flags of ``run``; a configuration file has the same keys.

    ``methods`` are method strings, ``dataset`` is ``name`` or ``name:PATH``. ``set`` holds ``KEY=VALUE`` changes of
    the preset. ``protocol`` None takes the dataset's own. ``stand_in`` takes seeded random weights for the pretrained
    networks that are not here.
    """

    methods: tuple[str, ...]
    dataset: str = "photos"
    preset: str = DEFAULT_PRESET
    protocol: str | None = None
    metric_protocol: str | None = None
    stages: tuple[str, ...] = ("train", "recon", "cost")
    task: str | None = None
    seeds: tuple[int, ...] = (0,)
    sample_seeds: str | None = None
    limit: int | None = None
    eval_limit: int | None = None
    device: str = "auto"
    out: Path = Path("results/local")
    offline: bool = False
    strict: bool = False
    stand_in: bool = False
    overwrite: bool = False
    fail_fast: bool = False
    clock: bool = False
    debug: bool = False
    tensorboard: bool = False
    deterministic: bool = False
    on_bad: typing.Literal["skip", "fail"] = "skip"
    micro_batch: int | None = None
    channels_last: bool = False
    compile: bool = False
    plugin: tuple[str, ...] = ()
    set: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("limit", self.limit), ("eval-limit", self.eval_limit), ("micro-batch", self.micro_batch)):
            if value is not None and value < 1:
                raise UsageError(f"--{name} is {value}; it must be at least 1.")
        if not self.seeds or len(set_of(self.seeds)) < len(self.seeds):
            raise UsageError(f"--seeds {','.join(map(str, self.seeds))} must name at least one seed, each once.")


def set_of(values: Sequence[int]) -> frozenset[int]:
    """The distinct values (``set`` is a field's name in :class:`RunConfig`)."""
    return frozenset(values)


@dataclass(frozen=True)
class Cell:
    """One row and seed of the comparison; ``stages`` are those asked for and their predecessors, in order.

    ``settings`` are the tokenizer's, ``prior`` the prior's, None where the method has none.
    """

    method: Method
    entry: MethodEntry
    settings: Any
    seed: int
    stages: tuple[str, ...]
    task: str | None = None
    prior: Any = None
    decoding: Decoding = field(default_factory=Decoding)

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
    methods = parse_list(texts, [name for name, entry in table.items() if entry.takes_rest])
    for method in methods:
        registry.lookup(table, method.name, "method")
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


def cells(config: RunConfig, table: Mapping[str, MethodEntry]) -> list[Cell]:
    """All cells of a run, methods outermost. Raises :class:`UsageError` for anything unknown."""
    preset, stages = preset_of(config), stages_with_predecessors(config.stages)
    return [
        Cell(
            method=method,
            entry=entry,
            settings=settings,
            seed=seed,
            stages=stages,
            task=config.task,
            prior=resolve_prior(method, entry, config.preset),
            decoding=decoding,
        )
        for method in parse_methods(config.methods, table)
        for entry in (table[method.name],)
        for settings in (settings_of(method, entry, preset),)
        for decoding in (resolve_decoding(method, entry, settings),)
        for seed in (config.seeds if is_random(method, entry) or decoding.noise else config.seeds[:1])
    ]


def is_random(method: Method, entry: MethodEntry) -> bool:
    """Whether a method's results depend on the training seed; a row without training needs one seed only."""
    return entry.prior_learner is not None or (entry.learner is not None and method.weights is None)


def dataset_of(text: str, table: Mapping[str, DatasetEntry]) -> tuple[DatasetEntry, str | None]:
    """The entry and path of ``name`` or ``name:PATH``, aliases included."""
    name, colon, path = text.partition(":")
    names = {alias: entry for entry in table.values() for alias in (entry.name, *entry.aliases)}
    entry = registry.lookup(names, name, "dataset")
    if entry.takes_path != bool(path):
        form = f"{name}:PATH" if entry.takes_path else name
        raise UsageError(f"The dataset is written '{form}', not '{text}'.")
    return entry, path if colon else None
