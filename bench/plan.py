"""From what was asked to cells: (method, settings, seed) on one dataset at one preset. No torch."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import digest, registry, weights
from bench.contract import STAGES, DatasetEntry, MethodEntry, NoSettings, UsageError
from bench.grammar import Method, parse_list
from bench.presets import DEFAULT_PRESET, PRESETS, Preset


@dataclass(frozen=True)
class RunConfig:
    """The flags of ``run``; a configuration file has the same keys.

    ``methods`` are method strings, ``dataset`` is ``name`` or ``name:PATH``. ``set`` holds ``KEY=VALUE`` changes of
    the preset. ``protocol`` None takes the dataset's own.
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
    overwrite: bool = False
    fail_fast: bool = False
    clock: bool = False
    debug: bool = False
    tensorboard: bool = False
    deterministic: bool = False
    on_bad: typing.Literal["skip", "fail"] = "skip"
    micro_batch: int | None = None
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
class Decoding:
    """How a row's codes become images: ``noise`` turns on the noise of the method's paper, seeded per image.

    It belongs to the row, not to the tokenizer: rows with and without noise share one training.
    """

    noise: bool = False


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
    decoding: Decoding = Decoding()

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


T = typing.TypeVar("T")


def with_options(settings: T, options: Mapping[str, str], owner: str, allowed: Collection[str] | None = None) -> T:
    """The frozen dataclass with fields replaced by the values of ``k=v`` options, converted to the fields' types.

    Raises :class:`UsageError` for an unknown key (with a suggestion) and for a value of another type.
    """
    from pydantic import TypeAdapter, ValidationError

    if not options:
        return settings
    hints = typing.get_type_hints(type(settings))
    known = sorted(allowed if allowed is not None else hints)
    changes: dict[str, Any] = {}
    for key, text in options.items():
        if key not in known:
            raise UsageError(f"{owner} has no option '{key}'.{registry.suggestion(key, known)}")
        value = None if text.lower() in ("none", "null") else text
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(hints[key])
            changes[key] = adapter.validate_python(value) if value is None else adapter.validate_strings(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise UsageError(f"'{key}={text}' of {owner}: {reason[0].lower()}{reason[1:]}.") from error
    return dataclasses.replace(settings, **changes)  # type: ignore[type-var]


def resolve(method: Method, entry: MethodEntry, preset: str) -> Any:
    """A method's settings at a preset, with variant and options applied."""
    if entry.variants and method.variant is not None and method.variant not in entry.variants:
        raise UsageError(
            f"'{method.label}': {entry.title} has no variant '{method.variant}'."
            f"{registry.suggestion(method.variant, entry.variants)}"
        )
    if entry.settings is None:
        settings: Any = NoSettings()
        if method.variant is not None:
            raise UsageError(f"'{method.label}': {entry.title} has no variants.")
    else:
        settings = registry.load(entry.settings)(preset, method.variant)
    own = _field_names(settings)
    theirs = _field_names(_prior_defaults(method, entry, preset)) | _field_names(_decoding_defaults(entry))
    options = {key: value for key, value in method.options if key in own or key not in theirs}
    return with_options(settings, options, f"'{method.label}'", allowed=own | theirs)


def settings_of(method: Method, entry: MethodEntry, preset: str) -> Any:
    """:func:`resolve`; weights of an earlier training run bring that run's variant, options and preset with them."""
    run = weights.trained_as(method)
    if run is None:
        return resolve(method, entry, preset)
    (origin,) = parse_list([run.method], ())
    if origin.name != method.name or method.variant not in (None, origin.variant):
        raise UsageError(f"'{method.label}': those weights were trained as '{run.method}'.")
    options = {**dict(origin.options), **dict(method.options)}
    return resolve(Method(origin.name, origin.variant, None, tuple(sorted(options.items()))), entry, run.preset)


def resolve_prior(method: Method, entry: MethodEntry, preset: str) -> Any:
    """The settings of the method's prior, with those of the options that are its; None where it has none."""
    settings = _prior_defaults(method, entry, preset)
    options = {key: value for key, value in method.options if key in _field_names(settings)}
    return with_options(settings, options, f"'{method.label}'")


def resolve_decoding(method: Method, entry: MethodEntry, settings: Any) -> Decoding:
    """How the row is decoded. Raises :class:`UsageError` for noise where the tokenizer's ``settings`` have none."""
    default = _decoding_defaults(entry)
    if default is None:
        return Decoding()
    options = {key: value for key, value in method.options if key in _field_names(default)}
    decoding = with_options(default, options, f"'{method.label}'")
    if decoding.noise and not registry.load(str(entry.decoding_noise))(settings):
        raise UsageError(f"'{method.label}': with these settings {entry.title} decodes without noise; leave noise out.")
    return decoding


def _decoding_defaults(entry: MethodEntry) -> Decoding | None:
    return Decoding() if entry.decoding_noise else None


def _prior_defaults(method: Method, entry: MethodEntry, preset: str) -> Any:
    return registry.load(entry.prior_settings)(preset, method.variant) if entry.prior_settings else None


def _field_names(settings: Any) -> frozenset[str]:
    return frozenset() if settings is None else frozenset(field.name for field in dataclasses.fields(settings))


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
    if config.preset not in PRESETS:
        registry.lookup(PRESETS, config.preset, "preset")
    stages = stages_with_predecessors(config.stages)
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
        for settings in (settings_of(method, entry, config.preset),)
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


def settings_until(settings: Any, stage: str) -> dict[str, Any]:
    """The settings as plain values, without the fields that only matter after ``stage`` (see ``PRIOR_FIELD``)."""
    later = STAGES[STAGES.index(stage) + 1 :]
    plain: dict[str, Any] = digest.plain(settings)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.metadata.get("stage") in later:
            del plain[field.name]
        elif dataclasses.is_dataclass(value):
            plain[field.name] = settings_until(value, stage)
    return plain
