"""Methods from elsewhere: installed packages (entry points) and ``--plugin`` files."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from bench.contract import MethodEntry
from bench.core.registry import load
from bench.errors import UsageError

ENTRY_POINTS = "bench.methods"

FUNCTIONS = ("settings", "prior_settings", "networks", "decoding_noise")
WRITTEN_FOR_0_1 = re.compile(r"MethodEntry\.__init__\(\) (got an unexpected keyword argument|missing 1 required)")
SINCE = (
    'after 0.1 a row names one code="module:attr", of a tokenizer class or of a bench.contract.Method with all that '
    "the method can do, and its settings, prior_settings, networks and decoding_noise are functions, not strings."
)
"""What changed for plug-ins that were written for 0.1."""


def with_plugins(methods: Mapping[str, str], files: Iterable[str]) -> dict[str, MethodEntry]:
    """The built-in methods, those of installed packages (entry points) and those of ``--plugin`` files.

    ``methods`` maps names to the ``"module:attr"`` of their :class:`MethodEntry`; those modules load no torch.
    """
    table: dict[str, MethodEntry] = {name: load(path) for name, path in methods.items()}
    for point in entry_points(group=ENTRY_POINTS):
        _add(table, _from_entry_point(point), f"the installed package entry point '{point.value}'")
    for file in files:
        _add(table, plugin_entry(file), f"the plugin {file}")
    return table


def _add(table: dict[str, MethodEntry], entry: MethodEntry, origin: str) -> None:
    if entry.name in table:
        raise UsageError(f"{origin} defines the method '{entry.name}', which exists already; rename it.")
    table[entry.name] = entry


def _from_entry_point(point: EntryPoint) -> MethodEntry:
    try:
        return _checked(point.load(), f"The entry point '{point.value}'")
    except TypeError as error:
        if not WRITTEN_FOR_0_1.search(str(error)):
            raise
        raise UsageError(f"The entry point '{point.value}' is written for version 0.1: {SINCE}") from error
    except ImportError as error:
        raise UsageError(
            f"The entry point '{point.value}' cannot be imported ({error}); mend or uninstall it."
        ) from error


def plugin_entry(file: str) -> MethodEntry:
    """The entry of a plugin ``FILE.py[:NAME]``: the module attribute ``NAME``, by default ``METHOD``.

    ``NAME`` may also be a tokenizer class, called as ``NAME(settings, build)``.
    """
    path, _, attribute = file.partition(".py:")
    source = Path(f"{path}.py" if attribute else file)
    module = plugin_module(source)
    thing = getattr(module, attribute or "METHOD", None)
    if thing is None:
        raise UsageError(f"{source} has no '{attribute or 'METHOD'}'; a plugin defines METHOD = MethodEntry(...).")
    if attribute and isinstance(thing, type):
        return MethodEntry(
            name=attribute.lower(),
            title=attribute,
            summary=f"{attribute} of {source.name}",
            code=f"{source.stem}:{attribute}",
        )
    return _checked(thing, str(source))


def _checked(entry: object, origin: str) -> MethodEntry:
    if not isinstance(entry, MethodEntry):
        raise UsageError(f"{origin} is not a bench.contract.MethodEntry but {type(entry).__name__}.")
    for field in FUNCTIONS:
        if isinstance(getattr(entry, field), str):
            raise UsageError(f"{origin} names '{field}' by a string; {SINCE}")
    return entry


def plugin_module(source: Path) -> ModuleType:
    """Imports a plugin file under its stem, so that its entry's ``"stem:attr"`` paths resolve."""
    if not source.is_file():
        raise UsageError(f"There is no plugin file {source}.")
    loaded = sys.modules.get(source.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(source.resolve()):
        return loaded
    if loaded is not None:
        raise UsageError(f"The plugin {source} has the name of a module that is in use, '{source.stem}'; rename it.")
    spec = importlib.util.spec_from_file_location(source.stem, source.resolve())
    if spec is None or spec.loader is None:
        raise UsageError(f"{source} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.stem] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, AttributeError, NameError, TypeError, ValueError, OSError) as error:
        del sys.modules[source.stem]
        if WRITTEN_FOR_0_1.search(str(error)):
            raise UsageError(f"The plugin {source} is written for version 0.1: {SINCE}") from error
        raise UsageError(f"The plugin {source} cannot be imported: {type(error).__name__}: {error}.") from error
    return module
