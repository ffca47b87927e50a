"""``@weights`` of a method string: a training run of this program, a published or a foreign file. No torch."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from bench.contract import MethodEntry
from bench.core import digest, fetch
from bench.core.fetch import File
from bench.core.files import expanded
from bench.core.readings import Readings
from bench.core.registry import method_of, suggestion
from bench.errors import Missing, UsageError
from bench.results.record import Result
from bench.results.store import read
from bench.run.method_string import Method

LEAST = 100_000
"""Bytes that a published checkpoint has at least, where its size is not known."""
ROUNDED = 0.98
"""Of a size that is given in megabytes, the part that a whole file has at least."""


@dataclass(frozen=True)
class Weights:
    """Where a method's ready-made weights are: a finished training run, or a foreign file or folder.

    ``digest`` is the pinned or computed digest of a file; for a run it is the key of its training recipe.
    """

    kind: Literal["run", "file"]
    path: Path
    digest: str


def source(entry: MethodEntry) -> dict[str, Any]:
    """The method's ``source.toml``, empty where it has none."""
    if entry.source is None:
        return {}
    package, _, name = entry.source.partition(":")
    home = Path(str(importlib.import_module(package).__file__)).parent
    return tomllib.loads((home / (name or "source.toml")).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Named:
    """What ``@weights`` of a method string names, looked for once: where it is, or why it cannot be had.

    ``run`` is the training result that it names, where it names one.
    """

    weights: Weights | None = None
    run: Result | None = None
    problem: UsageError | None = None

    def found(self) -> Weights | None:
        """The weights, None where none are named. Raises the :class:`UsageError` that says why they cannot be had."""
        if self.problem is not None:
            raise self.problem
        return self.weights

    @property
    def foreign(self) -> Path | None:
        """The foreign file or folder, where it is on this machine."""
        return self.weights.path if self.weights is not None and self.weights.kind == "file" else None


def named(method: Method, entry: MethodEntry, cache: Path, readings: Readings) -> Named:
    """What the method string's ``@weights`` names; what is wrong with it is kept, to be said where all of it is."""
    run = _trained_as(method)
    try:
        return Named(_find(method, entry, cache, readings, run), run)
    except UsageError as error:
        return Named(run=run, problem=error)


def _find(method: Method, entry: MethodEntry, cache: Path, readings: Readings, result: Result | None) -> Weights | None:
    """The weights that a method string names, or None where it names none; ``readings`` hashes a file once per run.

    ``@NAME`` is, in this order: a checkpoint of the method's ``source.toml``, a training result (``train.json``, or
    the folder that holds it), a foreign file or folder. Raises :class:`UsageError` with the choices otherwise, and
    :class:`bench.errors.Missing` for a checkpoint that was not fetched.
    """
    if method.weights is None:
        return None
    published = source(entry).get("checkpoints", {})
    if method.weights == "official":
        names = list(published)
        if len(names) != 1:
            raise UsageError(f"'{method.label}': name one checkpoint; there are: {', '.join(names) or 'none'}.")
        return _published(names[0], published[names[0]], method, cache, readings)
    if method.weights in published:
        return _published(method.weights, published[method.weights], method, cache, readings)
    path = expanded(method.weights)
    if not path.exists():
        raise UsageError(
            f"'{method.label}': '{method.weights}' is neither a file, a training result nor a checkpoint."
            f"{suggestion(method.weights, published) if published else ''}"
        )
    return Weights("file", path, readings.digest(path)) if result is None else _run(result, method, cache)


def _trained_as(method: Method) -> Result | None:
    """The training result that ``@weights`` names (``train.json``, or the folder that holds it), or None."""
    path = expanded(method.weights or "")
    file = path / "train.json" if path.is_dir() else path
    return read(file) if method.weights and file.name == "train.json" and file.exists() else None


@runtime_checkable
class Described(Protocol):
    """What a reader found in a foreign file, where it says what that was; ``facts`` go into the result."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """The file that was read, and what was left out of it."""
        ...

    @property
    def prior(self) -> Sequence[str]:
        """The prefixes of a second stage's keys, none for a tokenizer alone."""
        ...


def described(entry: MethodEntry, weights: Named, readings: Readings) -> Described | None:
    """What is known of the foreign weights of a row; None for a row without, and for a reader that says nothing."""
    path = weights.foreign
    reader = method_of(entry).checkpoint if path is not None else None
    found = None if path is None or reader is None else readings.content(path, reader.read)
    return found if isinstance(found, Described) else None


def published_resolution(method: Method, entry: MethodEntry) -> int | None:
    """The resolution of the named checkpoint, where it is one of ``source.toml``."""
    checkpoint = source(entry).get("checkpoints", {}).get(method.weights, {})
    resolution: int | None = checkpoint.get("resolution")
    return resolution


def _published(name: str, checkpoint: dict[str, Any], method: Method, cache: Path, readings: Readings) -> Weights:

    def verify(path: Path, file: File) -> None:
        readings.once(path, ("verified", file), lambda path: fetch.verify(path, file))

    path = checkpoint_file(f"{method.name}@{name}", checkpoint, cache, verify)
    return Weights("file", path, digest.of_value([name, checkpoint["pin"]]))


def _run(result: Result, method: Method, cache: Path) -> Weights:
    folder = cache / "runs" / result.key[:32]
    if not (folder / "final.safetensors").exists():
        raise UsageError(
            f"'{method.label}': the weights of that training run are not in the cache ({folder}); train it again."
        )
    return Weights("run", folder, result.key)


def checkpoint_pin(checkpoint: Mapping[str, Any]) -> File:
    """A checkpoint's ``url``, ``pin`` and ``pin_source``; ``file`` names it where the address does not."""
    url = checkpoint.get("url")
    name = checkpoint.get("file") or Path(unquote(urlsplit(url or "").path)).name
    least = max(LEAST, int(ROUNDED * 1e6 * checkpoint.get("megabytes", 0)))
    return File(name, url, checkpoint.get("pin", "none"), checkpoint.get("pin_source", ""), least)


def checkpoint_file(
    label: str,
    checkpoint: Mapping[str, Any],
    cache: Path,
    verify: Callable[[Path, File], object] = fetch.verify,
) -> Path:
    """The verified file of a published checkpoint; :class:`Missing` with the command where it is absent."""
    file = checkpoint_pin(checkpoint)
    for folder in (*fetch.folders(), cache / "weights"):
        path = folder / file.name
        if path.is_file():
            verify(path, file)
            return path
    size = f", {checkpoint['megabytes']:,} MB" if "megabytes" in checkpoint else ""
    raise Missing(f"The checkpoint {label} ({file.name}{size}) is not here; run: python -m bench fetch {label}")
