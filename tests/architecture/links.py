"""What a module's text points at: its imports, wherever they stand, and its ``"module:attr"`` strings."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from bench.core import registry

ROOT = Path(__file__).parents[2]
PACKAGES = ("bench", "methods", "tests")


@dataclass(frozen=True)
class Import:
    """One imported name. ``name`` is None for ``import module``; ``late``: in a function or for type checking alone."""

    module: str
    name: str | None
    line: int
    late: bool
    relative: bool = False


@dataclass(frozen=True)
class Reference:
    """One ``"module:attr"`` string."""

    path: str
    line: int


def modules(root: Path, *packages: str) -> dict[str, Path]:
    """Every module below the packages' folders by dotted name."""
    found = {}
    for path in sorted(file for package in packages for file in (root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path) -> Iterator[Import]:
    """Every import of a module's text."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {id(child) for node in ast.walk(tree) if _is_late(node) for child in ast.walk(node)}
    home = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, None, node.lineno, id(node) in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), home)
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, id(node) in late, relative=node.level > 0)


def _is_late(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.dump(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def references(path: Path, *packages: str) -> Iterator[Reference]:
    """Every ``"module:attr"`` string of a module's text whose module is in one of the packages.

    A string that names a TOML file of a package is no attribute, and a piece of an f-string no whole path.
    """
    pattern = re.compile(rf"({'|'.join(packages)})(\.\w+)*:(?!\w+\.toml$)\w+(\.\w+)*")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pieces = {id(piece) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for piece in node.values}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in pieces else None
        if isinstance(text, str) and pattern.fullmatch(text):
            yield Reference(text, node.lineno)


def composed(path: Path) -> Iterator[str]:
    """What the f-strings of a module's text begin with, where that is plain text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            yield str(node.values[0].value)


@functools.cache
def ghost(module: str, name: str | None = None) -> str | None:
    """What is wrong with ``from module import name``, which this does; None where all is well."""
    try:
        found = importlib.import_module(module)
        if name not in (None, "*"):
            _attribute(found, str(name))
    except ImportError as error:
        return f"{'import' if name is None else f'from {module} import'} {name or module}: {error}"
    return None


def _attribute(module: ModuleType, name: str) -> None:
    """Takes the attribute, as some modules load it only then; what is none must be a module of its own."""
    try:
        getattr(module, name)
    except AttributeError:
        importlib.import_module(f"{module.__name__}.{name}")


@functools.cache
def unloadable(path: str) -> str | None:
    """Why the product cannot load ``"module:attr"``; None where it can."""
    try:
        registry.load(path)
    except (ImportError, AttributeError) as error:
        return f'"{path}": {error}'
    return None


def ghosts(name: str, path: Path, *packages: str) -> list[str]:
    """Every import and ``"module:attr"`` string of a module's text that leads nowhere, with its line."""
    wrong = [(found.line, ghost(found.module, found.name)) for found in imports(name, path)]
    wrong += [(found.line, unloadable(found.path)) for found in references(path, *packages)]
    return [f"{path.name}:{line}: {why}" for line, why in wrong if why]


def target(found: Import, ours: dict[str, Path]) -> str | None:
    """The one of our modules that an import means, None for a module of others; a ghost is an AssertionError."""
    if found.module.partition(".")[0] not in PACKAGES:
        return None
    why = ghost(found.module, found.name)
    assert why is None, why
    submodule = f"{found.module}.{found.name}"
    meant = submodule if submodule in ours else found.module
    assert meant in ours, f"{meant} has no file of its own"
    return meant
