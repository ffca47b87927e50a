"""The configuration of a run, read from flags and a ``--config`` file: keys equal the flags, flags win."""

from __future__ import annotations

import dataclasses
import re
import reprlib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.core import documents
from bench.core.registry import suggestion
from bench.core.visible import visible
from bench.errors import UsageError
from bench.run.presets import DEFAULT_PRESET

MOST_SEEDS = 1000


def flag(
    text: str,
    *,
    short: str | None = None,
    measuring: bool = False,
    repeated: bool = False,
    once: bool = False,
    placing: bool = False,
) -> Mapping[str, Any]:
    """What is known of a flag beyond its name, type and default: its help, and a letter for it.

    ``measuring`` flags say what becomes of a tokenizer after its training; a command that only trains has none of
    them. A ``repeated`` flag is given once for each value, another list as one text with commas.
    A flag that may be given ``once`` is refused the second time, where the last would win without a word.
    ``placing`` flags say which process does what: no recipe and no result knows them.
    """
    marks = {"measuring": measuring, "repeated": repeated, "once": once, "placing": placing}
    return {"help": text, "short": short, **marks}


@dataclass(frozen=True)
class RunConfig:
    """What a run is asked for. Its fields are the flags of ``run`` and the keys of a configuration file, with help.

    ``methods`` are method strings, ``dataset`` is ``name`` or ``name:PATH``. ``set`` holds ``KEY=VALUE`` changes of
    the preset. ``protocol`` None takes the dataset's own. ``stand_in`` takes seeded random weights for the pretrained
    networks that are not here. Raises :class:`UsageError` for numbers out of range and for seeds named twice.
    """

    methods: tuple[str, ...] = field(
        metadata=flag("name[:variant][@weights][:k=v,...], ..., or all-published", short="-m", repeated=True)
    )
    dataset: str = field(
        default="photos", metadata=flag("photos (default), church, folder:PATH, ...", short="-d", once=True)
    )
    preset: str = field(default=DEFAULT_PRESET, metadata=flag("smoke, small (default), medium or paper"))
    protocol: str | None = field(default=None, metadata=flag("ldm, stylegan, rqvae, adm, native or native:N"))
    metric_protocol: str | None = field(
        default=None, metadata=flag("protocol of the set metrics (bench list protocols)", measuring=True)
    )
    stages: tuple[str, ...] = field(
        default=("train", "recon", "cost"),
        metadata=flag("of train,recon,cost,prior,sample,gen; default train,recon,cost", measuring=True),
    )
    task: str | None = field(
        default=None, metadata=flag("conditional generation: upsample or colorize", measuring=True)
    )
    seeds: tuple[int, ...] = field(default=(0,), metadata=flag("training seeds, for example 0,1,2"))
    sample_seeds: str | None = field(
        default=None, metadata=flag("seeds of the samples, for example 0-999", measuring=True)
    )
    limit: int | None = field(default=None, metadata=flag("at most this many training images (marks the row)"))
    eval_limit: int | None = field(
        default=None, metadata=flag("at most this many validation images (marks the row)", measuring=True)
    )
    device: str = field(default="auto", metadata=flag("auto, cpu, cuda, cuda:N or mps"))
    out: Path = field(default=Path("results/local"), metadata=flag("results folder; default results/local"))
    offline: bool = field(default=False, metadata=flag("never open a connection"))
    strict: bool = field(
        default=False, metadata=flag("a metric without its weights is an error at the start", measuring=True)
    )
    stand_in: bool = field(default=False, metadata=flag("random weights for absent networks (marks rows)"))
    overwrite: bool = field(default=False, metadata=flag("compute again what is there, training too"))
    fail_fast: bool = field(default=False, metadata=flag("stop at the first failing cell"))
    clock: bool = field(default=False, metadata=flag("measure encode and decode images/s and memory", measuring=True))
    deterministic: bool = field(default=False, metadata=flag("deterministic algorithms, no TF32"))
    on_bad: typing.Literal["skip", "fail"] = field(
        default="skip", metadata=flag("unreadable images: skip (default) or fail")
    )
    verify: bool = field(default=False, metadata=flag("read every source file of the dataset again, changed or not"))
    micro_batch: int | None = field(
        default=None, metadata=flag("largest batch of one forward pass; gradients accumulate")
    )
    channels_last: bool = field(default=False, metadata=flag("networks in channels-last memory layout"))
    compile: bool = field(default=False, metadata=flag("torch.compile for encoders and decoders"))
    tensorboard: bool = field(default=False, metadata=flag("write event files into the run's folder"))
    plugin: tuple[str, ...] = field(
        default=(), metadata=flag("a Python file that defines METHOD = MethodEntry(...)", repeated=True)
    )
    set: tuple[str, ...] = field(default=(), metadata=flag("KEY=VALUE of the preset (marks the row)", repeated=True))
    workers: int | None = field(
        default=None, metadata=flag("processes that execute cells side by side; default none but this", placing=True)
    )
    part: str | None = field(
        default=None, metadata=flag("only part I of N of the cells, for example 2/3", once=True, placing=True)
    )
    debug: bool = field(default=False, metadata=flag("full tracebacks"))

    def __post_init__(self) -> None:
        for known in dataclasses.fields(self):
            if known.type.startswith("tuple[") and isinstance(value := getattr(self, known.name), str | int):
                raise UsageError(f"{known.name}={value!r} is one value; give a tuple, {known.name}=({value!r},).")
        if not isinstance(self.out, Path):
            raise UsageError(f"out={self.out!r} is no path; give out=pathlib.Path({str(self.out)!r}).")
        for name in ("limit", "eval_limit", "micro_batch", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-')} is {value}; it must be at least 1.")
        if len(self.seeds) > MOST_SEEDS:
            raise UsageError(f"--seeds names {len(self.seeds):,} training seeds; a run takes at most {MOST_SEEDS:,}.")
        if not self.seeds or len(set_of(self.seeds)) < len(self.seeds):
            raise UsageError(f"--seeds {','.join(map(str, self.seeds))} must name at least one seed, each once.")
        part_of(self.part)

    @property
    def arguments(self) -> dict[str, Any]:
        """By field what a result keeps of the configuration: all but which process did it."""
        fields = {field.name: field.metadata["placing"] for field in dataclasses.fields(self)}
        return {name: value for name, value in dataclasses.asdict(self).items() if not fields[name]}


@dataclass(frozen=True)
class Part:
    """The ``number``-th of ``count`` parts of a run's cells, from 1."""

    number: int = 1
    count: int = 1


def part_of(text: str | None) -> Part:
    """The part that ``--part I/N`` names; the whole where nothing does. Raises :class:`UsageError` for no part."""
    if text is None:
        return Part()
    found = re.fullmatch("([0-9]{1,6})/([0-9]{1,6})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"--part {text} is not a part; write I/N with I from 1 to N, for example 2/3.")
    return Part(int(found[1]), int(found[2]))


def set_of(values: Sequence[int]) -> frozenset[int]:
    """The distinct values (``set`` is a field's name in :class:`RunConfig`)."""
    return frozenset(values)


def run_config(flags: Mapping[str, Any], file: Path | None) -> RunConfig:
    """The configuration of a run; ``flags`` with the value None were not given.

    Raises :class:`UsageError` for an unknown key, with a suggestion, and for a value of the wrong type.
    """
    from pydantic import TypeAdapter, ValidationError

    given = {key: _only(key, value) for key, value in flags.items() if value is not None}
    merged = {**(_read(file) if file else {}), **given}
    if not merged.get("methods"):
        where = f", on the command line or in {file}" if file else ""
        raise UsageError(f"No method is named{where}; give --methods, for example --methods brics,vqgan.")
    adapter = TypeAdapter(RunConfig)
    try:
        return adapter.validate_python({key: _listed(key, value) for key, value in merged.items()})
    except ValidationError as error:
        first = error.errors()[0]
        where = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        origin = f" in {file}" if file and first["loc"][0] not in given else ""
        shown = visible(reprlib.repr(first["input"]))
        raise UsageError(f"--{where}{origin}: {first['msg']} (given: {shown}).") from error
    except UsageError as error:
        raise (UsageError(f"{str(error).rstrip('.')} (configuration: {file}).") if file else error) from error


def _only(key: str, value: Any) -> Any:
    """The one value of a flag that may be given once; raises :class:`UsageError` where it was given twice."""
    known = {field.name: field for field in dataclasses.fields(RunConfig)}
    if key not in known or not known[key].metadata["once"] or not isinstance(value, list):
        return value
    if len(value) > 1:
        raise UsageError(
            f"--{key} is given {len(value)} times ({', '.join(value)}), and a run takes one {key}: run once for each, "
            "into the same --out."
        )
    return value[0]


def _listed(key: str, value: Any) -> Any:
    """A list for the flags that take several values; one text is split at its commas unless the flag is repeated."""
    known = {field.name: field for field in dataclasses.fields(RunConfig)}
    if key not in known or not known[key].type.startswith("tuple["):
        return value
    items = list(value) if isinstance(value, list | tuple) else [value]
    if known[key].metadata["repeated"]:
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
