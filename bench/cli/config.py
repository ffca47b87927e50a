"""Flags and ``--config`` files into a :class:`bench.plan.RunConfig`: keys equal the flags, flags win."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.contract import UsageError

LISTS = {"methods", "stages", "seeds", "plugin", "set"}


def run_config(flags: Mapping[str, Any], file: Path | None) -> Any:
    """The configuration of a run; ``flags`` with the value None were not given.

    Raises :class:`UsageError` for an unknown key, with a suggestion, and for a value of the wrong type.
    """
    from pydantic import TypeAdapter, ValidationError

    from bench.plan import RunConfig

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
        raise UsageError(f"--{where}: {first['msg']} (given: {first['input']!r}).") from error


def _listed(key: str, value: Any) -> Any:
    """Comma-separated text becomes a list for the flags that take several values."""
    if key not in LISTS:
        return value
    items = [value] if isinstance(value, str | int) else list(value)
    if key in ("methods", "plugin", "set"):
        return tuple(str(item) for item in items)
    return tuple(piece.strip() for item in items for piece in str(item).split(",") if piece.strip())


def _read(file: Path) -> dict[str, Any]:
    import yaml

    from bench.plan import RunConfig
    from bench.registry import suggestion

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"The configuration {file} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise UsageError(f"The configuration {file} must hold keys equal to the flags, for example 'dataset: photos'.")
    known = {field.name for field in dataclasses.fields(RunConfig)}
    values = {str(key).replace("-", "_"): value for key, value in content.items()}
    for key in values:
        if key not in known:
            raise UsageError(f"The configuration {file} has the unknown key '{key}'.{suggestion(key, known)}")
    return values
