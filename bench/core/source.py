"""Identity of code: a digest of the parsed source that decides an outcome, so that edited code never gives old numbers.

Comments, docstrings and formatting do not count; everything else does. Imports are read, not made: a module stands for
itself, the packages it lies in and everything of our own that it imports, late imports included. Of our own is what
belongs to this program, to the package of a named module, or to no installed library (a file beside a plug-in).
No torch.
"""

from __future__ import annotations

import ast
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.core import digest
from bench.errors import UsageError

PROGRAM = ("bench", "methods")
"""Our own packages; what lies at their very top is a version and a table of names, and decides nothing."""

JOINING = ("bench.run", "bench.cli", "bench.report", "bench.regression")
"""Rooms that only join, print or compare: a module of theirs counts where it is named, never because it is imported."""


UNSAID = frozenset(("ctx", "kind", "type_comment", "type_ignores"))
"""Fields of syntax trees that say nothing of what is computed, or what another node says."""


@dataclass(frozen=True)
class _Text:
    """A module's own text: the digest of what it says, and the names that it imports."""

    digest: str
    imports: tuple[str, ...]


class Sources:
    """Digests of code; made by a command for its run, in which every file is read once."""

    def __init__(self) -> None:
        self._texts: dict[str, _Text | None] = {}
        self._places: dict[str, tuple[Path | None, tuple[str, ...]]] = {}
        self._installed: dict[str, bool] = {}
        self._closures: dict[tuple[str, ...], str] = {}

    def digest(self, modules: Iterable[str], alone: Iterable[str] = ()) -> str:
        """The digest of ``modules`` with all they import, and of the text ``alone`` of others.

        A name may have an attribute behind a colon (``"methods.vqgan.presets:settings"``), which is left out. Raises
        :class:`UsageError` for a module that has no file.
        """
        names = sorted({name.partition(":")[0] for name in modules})
        others = sorted({name.partition(":")[0] for name in alone})
        key = (*names, "", *others)
        if key not in self._closures:
            owned = {*PROGRAM, *(name.partition(".")[0] for name in names)}
            found = {**self._closure(names, owned), **{name: self._named(name).digest for name in others}}
            self._closures[key] = digest.of_value(found)
        return self._closures[key]

    def _closure(self, names: Collection[str], owned: Collection[str]) -> dict[str, str]:
        """Every module reached from ``names``, with the digest of its text."""
        found = {name: self._named(name).digest for name in names}
        waiting = [name for root in names for name in self._reached(root, owned)]
        while waiting:
            name = waiting.pop()
            if name in found or _within(name, JOINING):
                continue
            text = self._text(name)
            if text is not None:
                found[name] = text.digest
                waiting += self._reached(name, owned)
        return found

    def _reached(self, name: str, owned: Collection[str]) -> Iterator[str]:
        """The packages that a module lies in, and what of our own it imports."""
        text = self._named(name)
        for other in (name, *text.imports):
            if self._is_ours(other.partition(".")[0], owned):
                parts = other.split(".")
                yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1) if n > 1 or parts[0] not in PROGRAM)

    def _named(self, name: str) -> _Text:
        text = self._text(name)
        if text is None:
            raise UsageError(f"The code of '{name}' has no file, so that its numbers have no identity; name a module.")
        return text

    def _text(self, name: str) -> _Text | None:
        """What a module says; None for a name within a module, or for what has no Python file."""
        if name not in self._texts:
            path = self._path(name)
            self._texts[name] = None if path is None else _read(path, name)
        return self._texts[name]

    def _path(self, name: str) -> Path | None:
        """The file of a module, found without importing it."""
        top, *parts = name.split(".")
        path, folders = self._place(top)
        for part in parts:
            places = [Path(folder) / part for folder in folders]
            packages = [place for place in places if place.is_dir()]
            files = [place / "__init__.py" for place in packages] + [place.with_name(f"{part}.py") for place in places]
            path = next((file for file in files if file.is_file()), None)
            folders = tuple(map(str, packages))
        return path

    def _place(self, top: str) -> tuple[Path | None, tuple[str, ...]]:
        """Of a module that lies in no package: its file and, of a package, its folders."""
        if top not in self._places:
            loaded = sys.modules.get(top)
            try:
                spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(top)
            except (ImportError, ValueError):
                spec = None
            origin = Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
            folders = tuple(spec.submodule_search_locations or ()) if spec is not None else ()
            self._places[top] = (origin if origin is not None and origin.suffix == ".py" else None), folders
        return self._places[top]

    def _is_ours(self, top: str, owned: Collection[str]) -> bool:
        if top not in owned and top not in self._installed:
            path, folders = self._place(top)
            places = [place for place in (path, *map(Path, folders)) if place is not None]
            foreign = not places or any(place.is_relative_to(library) for place in places for library in _libraries())
            self._installed[top] = foreign or top in sys.stdlib_module_names
        return top in owned or not self._installed[top]


def _libraries() -> list[Path]:
    """Where installed packages lie."""
    paths = sysconfig.get_paths()
    return [Path(path) for path in {paths["purelib"], paths["platlib"], *site.getsitepackages()}]


def _within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _read(path: Path, name: str) -> _Text:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise UsageError(f"The code {path} cannot be read ({error}); mend it.") from error
    home = name if path.name == "__init__.py" else name.rpartition(".")[0]
    said: list[str] = []
    _say(tree, said)
    return _Text(digest.of_bytes("\0".join(said).encode("utf-8", "backslashreplace")), tuple(_imports(tree, home)))


def _say(value: object, said: list[str]) -> None:
    """What a syntax tree holds, without positions and statements that are only a text.

    Empty fields are left out, as they come and go with Python's versions.
    """
    if isinstance(value, ast.AST):
        said.append(type(value).__name__)
        for field, held in vars(value).items():
            if field in value._fields and field not in UNSAID and held is not None and held != []:
                said.append(field)
                _say(held, said)
        said.append(")")
    elif isinstance(value, list):
        for item in value:
            if not _is_text(item):
                _say(item, said)
        said.append("]")
    else:
        said.append(repr(value))


def _is_text(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports(tree: ast.AST, home: str) -> Iterator[str]:
    """Every imported name in full, modules and what may be one, except what only a type checker imports."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                above = home.split(".")[: len(home.split(".")) - node.level + 1]
                module = ".".join([*above, *([module] if module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names if module)
        elif isinstance(node, ast.If) and _for_types(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _for_types(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"
