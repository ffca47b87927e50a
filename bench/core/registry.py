"""Names to things: lazy loading of ``"module:attr"``, and look-up with a suggestion.

The tables themselves are plain dicts in ``methods``, ``bench.data.datasets``, ``bench.metrics``,
``bench.metrics.features``; this module knows none of them.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from bench.contract import Method, MethodEntry
from bench.core.failures import contained
from bench.errors import AdapterError, UsageError

T = TypeVar("T")


def load(path: str) -> Any:
    """Imports ``"package.module:attr"`` and returns the attribute."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def method_of(entry: MethodEntry) -> Method[Any]:
    """What the row's ``code`` names; a tokenizer class is a method that can do nothing else. Imports torch.

    Raises :class:`AdapterError` where the code cannot be imported or is neither.
    """
    try:
        with contained():
            found = load(entry.code)
    except AdapterError as error:
        raise AdapterError(f"The code '{entry.code}' of '{entry.name}' cannot be imported: {error}") from error
    if isinstance(found, Method):
        return found
    if callable(found):
        return Method(tokenizer=found)
    raise AdapterError(
        f"The code '{entry.code}' of '{entry.name}' is {type(found).__name__}; "
        "name a bench.contract.Method or a tokenizer class."
    )


def suggestion(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'x'?"`` or the list of what there is, to end an error message with."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(known)}."


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """The table's entry of that name; an unknown name is a :class:`UsageError` with a suggestion."""
    if name in table:
        return table[name]
    raise UsageError(f"There is no {kind} '{name}'.{suggestion(name, table)}")
