"""Methods from elsewhere: installed packages (entry points) and ``--plugin`` files."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from bench.contract import MethodEntry
from bench.core.failures import contained
from bench.core.registry import load, lookup
from bench.errors import AdapterError, BenchError, UsageError

ENTRY_POINTS = "bench.methods"

FUNCTIONS = ("settings", "prior_settings", "networks", "decoding_noise")
WRITTEN_FOR_0_1 = re.compile(r"MethodEntry\.__init__\(\) (got an unexpected keyword argument|missing 1 required)")
NAMED = re.compile(r"""MethodEntry\([^)]*?\bname\s*=\s*["']([^"']+)["']""")
"""Where the text of a plugin says the name of its row."""

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
        try:
            entry = _from_entry_point(point)
        except AdapterError as error:
            entry = _broken(point.name, error)
        _add(table, entry, f"the installed package entry point '{point.value}'")
    for file in files:
        try:
            entry = plugin_entry(file)
        except AdapterError as error:
            entry = _broken(_name_in(file), error)
            if entry.name in table:  # only a guess, of a row that has another name or none
                raise UsageError(str(error)) from error
        _add(table, entry, f"the plugin {file}")
    return table


@dataclass(frozen=True)
class Broken:
    """The settings of a plugin's row that cannot be imported: whatever is asked of it fails with that error, alone."""

    error: AdapterError

    def __call__(self, preset: str, variant: str | None) -> object:
        """Raises the error."""
        raise AdapterError(str(self.error)) from self.error


def _broken(name: str, error: AdapterError) -> MethodEntry:
    return MethodEntry(name=name, title=name, summary=str(error), code=f"{name}:METHOD", settings=Broken(error))


def row_of(table: Mapping[str, MethodEntry], name: str) -> MethodEntry:
    """The row of that name. Raises :class:`UsageError` for none, with why plugins could not be imported.

    The row may be that of such a plugin, whose name can be told from its text alone.
    """
    try:
        return lookup(table, name, "method")
    except UsageError as error:
        broken = [str(entry.settings.error) for entry in table.values() if isinstance(entry.settings, Broken)]
        raise UsageError(" ".join([str(error), *broken])) from error


def usable(entry: MethodEntry) -> MethodEntry:
    """The row. Raises the :class:`AdapterError` of a plugin that cannot be imported."""
    if isinstance(entry.settings, Broken):
        raise AdapterError(str(entry.settings.error)) from entry.settings.error
    return entry


def _name_in(file: str) -> str:
    """The name of the row of a plugin that cannot be imported: as its text says it, else that of the file."""
    source, attribute = _parts(file)
    written = NAMED.search(source.read_text(encoding="utf-8", errors="replace"))
    return attribute.lower() if attribute else written[1] if written else source.stem


def _parts(file: str) -> tuple[Path, str]:
    """``FILE.py[:NAME]`` as the file and the name, "" for none."""
    path, _, attribute = file.partition(".py:")
    return Path(f"{path}.py" if attribute else file), attribute


def _add(table: dict[str, MethodEntry], entry: MethodEntry, origin: str) -> None:
    if entry.name in table:
        raise UsageError(f"{origin} defines the method '{entry.name}', which exists already; rename it.")
    table[entry.name] = entry


def _from_entry_point(point: EntryPoint) -> MethodEntry:
    try:
        with contained():
            found = point.load()
    except AdapterError as error:
        raise _said(f"The entry point '{point.value}'", error) from error
    return _checked(found, f"The entry point '{point.value}'")


def _said(origin: str, error: AdapterError) -> BenchError:
    """What is said of a module that raised while it was imported."""
    if WRITTEN_FOR_0_1.search(str(error)):
        return UsageError(f"{origin} is written for version 0.1: {SINCE}")
    return AdapterError(f"{origin} cannot be imported: {error}")


def plugin_entry(file: str) -> MethodEntry:
    """The entry of a plugin ``FILE.py[:NAME]``: the module attribute ``NAME``, by default ``METHOD``.

    ``NAME`` may also be a tokenizer class, called as ``NAME(settings, build)``.
    """
    source, attribute = _parts(file)
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
        with contained():
            spec.loader.exec_module(module)
    except BenchError as error:
        del sys.modules[source.stem]
        if isinstance(error, AdapterError):
            raise _said(f"The plugin {source}", error) from error
        raise
    return module
