"""Flags made of the fields of :class:`bench.run.config.RunConfig`: name, type, help and default stand there alone."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.run.config import RunConfig

Flags = Mapping[str, Any]
"""By field of :class:`RunConfig`: what was given on the command line, None where nothing was."""

EVERY = tuple(field.name for field in dataclasses.fields(RunConfig))
TRAINING = tuple(field.name for field in dataclasses.fields(RunConfig) if not field.metadata["measuring"])
"""The flags of a command that only trains."""

SWITCHES = {"fail_fast": "--fail-fast/--keep-going"}
"""Switches that can be turned off as well, against a configuration file."""


def with_flags(names: Sequence[str]) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Gives a command the flags of those fields: it is called with what was given of them, then its own parameters.

    Its own parameters come after them in the help, those without a default before them.
    """

    def decorated(body: Callable[..., int]) -> Callable[..., int]:
        _, *own = inspect.signature(body, eval_str=True).parameters.values()

        def command(**given: Any) -> int:
            return body({name: given[name] for name in names}, **{one.name: given[one.name] for one in own})

        needed = [one for one in own if one.default is inspect.Parameter.empty]
        rest = [one for one in own if one not in needed]
        known = {field.name: field for field in dataclasses.fields(RunConfig)}
        hints = typing.get_type_hints(RunConfig)
        parameters = [*needed, *(_parameter(known[name], hints[name]) for name in names), *rest]
        keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
        command.__name__, command.__doc__ = body.__name__, body.__doc__
        command.__annotations__ = {one.name: one.annotation for one in keywords}
        command.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
        return command

    return decorated


def _parameter(field: dataclasses.Field[Any], hint: Any) -> inspect.Parameter:
    """The field as a parameter of a command; its default is None, for what is not given comes from elsewhere."""
    name = f"--{field.name.replace('_', '-')}"
    names = [SWITCHES.get(field.name, name), *filter(None, [field.metadata["short"]])]
    kind = _typed(field, hint) | None
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, typer.Option(*names, help=field.metadata["help"])],
    )


def _typed(field: dataclasses.Field[Any], hint: Any) -> Any:
    """The type as the command line reads it: text for everything that :func:`run_config` converts."""
    if field.metadata["repeated"] or field.metadata["once"]:
        return list[str]
    if typing.get_origin(hint) is tuple:
        return str
    return next((kind for kind in (bool, int, Path) if kind in (hint, *typing.get_args(hint))), str)
