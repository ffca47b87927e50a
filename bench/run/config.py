"""The configuration of a run, read from flags and a ``--config`` file: keys equal the flags, flags win."""

from __future__ import annotations

import dataclasses
import reprlib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.core import documents
from bench.core.registry import suggestion
from bench.errors import UsageError
from bench.run.presets import DEFAULT_PRESET

MOST_SEEDS = 1000


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
        if len(self.seeds) > MOST_SEEDS:
            raise UsageError(f"--seeds names {len(self.seeds):,} training seeds; a run takes at most {MOST_SEEDS:,}.")
        if not self.seeds or len(set_of(self.seeds)) < len(self.seeds):
            raise UsageError(f"--seeds {','.join(map(str, self.seeds))} must name at least one seed, each once.")


def set_of(values: Sequence[int]) -> frozenset[int]:
    """The distinct values (``set`` is a field's name in :class:`RunConfig`)."""
    return frozenset(values)


LISTS = {"methods", "stages", "seeds", "plugin", "set"}


def run_config(flags: Mapping[str, Any], file: Path | None) -> Any:
    """The configuration of a run; ``flags`` with the value None were not given.

    Raises :class:`UsageError` for an unknown key, with a suggestion, and for a value of the wrong type.
    """
    from pydantic import TypeAdapter, ValidationError

    given = {key: value for key, value in flags.items() if value is not None}
    merged = {**(_read(file) if file else {}), **given}
    if not merged.get("methods"):
        raise UsageError("No method is named; give --methods, for example --methods brics,vqgan.")
    adapter = TypeAdapter(RunConfig)
    try:
        return adapter.validate_python({key: _listed(key, value) for key, value in merged.items()})
    except ValidationError as error:
        first = error.errors()[0]
        where = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise UsageError(f"--{where}: {first['msg']} (given: {reprlib.repr(first['input'])}).") from error


def _listed(key: str, value: Any) -> Any:
    """Comma-separated text becomes a list for the flags that take several values."""
    if key not in LISTS:
        return value
    items = [value] if isinstance(value, str | int) else list(value)
    if key in ("methods", "plugin", "set"):
        return tuple(str(item) for item in items)
    return tuple(piece.strip() for item in items for piece in str(item).split(",") if piece.strip())


def _read(file: Path) -> dict[str, Any]:
    """The keys and values of a configuration file: texts, numbers and truths, or lists of them."""
    door = documents.Door(f"The configuration {file}", "write keys equal to the flags, for example 'dataset: photos'")
    content = documents.from_yaml(documents.read(file, door, documents.LARGEST_BY_HAND), door)
    if not isinstance(content, dict):
        raise door.refuse("holds no keys")
    known = {field.name for field in dataclasses.fields(RunConfig)}
    values = {str(key).replace("-", "_"): value for key, value in content.items()}
    for key, value in values.items():
        if key not in known:
            raise UsageError(f"The configuration {file} has the unknown key '{key}'.{suggestion(key, known)}")
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, str | int | float | bool | None):
                raise door.refuse(f"has {key}: {reprlib.repr(item)}, which is neither a text nor a number")
    return values
