"""The rooms: who may import whom, no cycle, nothing heavy where it must not be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNNING = {"options", "plan", "presets", "runner", "session", "stages", "weights"}
METHODS_MAY = {
    "contract",
    "images",
    "rate",
    "seeding",
    "fetch",
    "networks",
    "codes",
    "digest",
    "unpickle",
    "ready",
}


def modules() -> dict[str, Path]:
    """Every module of the two packages by dotted name."""
    found = {}
    for path in sorted([*(ROOT / "bench").rglob("*.py"), *(ROOT / "methods").rglob("*.py")]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(name: str, at_run_time_only: bool = False) -> Iterator[str]:
    """The dotted names of our own modules that a module imports, anywhere in its text."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    skipped = set()
    if at_run_time_only:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                skipped |= {id(child) for child in ast.walk(node)}
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                skipped |= {id(child) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for found in names:
            while found and found not in MODULES:
                found = found.rpartition(".")[0]
            if found and found not in ("bench", name):
                yield found


def room(name: str) -> float:
    """The number of a module's room (see the README's file tree)."""
    parts = name.split(".")
    if parts[0] == "methods":
        return 2
    if len(parts) == 1:
        return 0
    if parts[1] in ("contract", "entries", "record"):
        return 0
    if parts[1] in ("datasets", "features", "metrics"):
        return 2
    if parts[1] == "tasks":
        return 3
    if parts[1] == "report":
        return 4.5
    if parts[1] in ("cli", "__main__"):
        return 5
    return 4 if parts[1] in RUNNING else 1


@pytest.mark.parametrize("name", MODULES)
def test_a_room_imports_only_rooms_below(name: str) -> None:
    for other in imports(name):
        same_room = room(other) == room(name)
        assert room(other) < room(name) or same_room, f"{name} (room {room(name)}) imports {other} (room {room(other)})"


@pytest.mark.parametrize("name", [n for n in MODULES if room(n) == 2])
def test_stock_and_methods_know_no_siblings(name: str) -> None:
    """A dataset, metric or feature imports tools and its own folder; a method the named tools and shared layers."""
    home = ".".join(name.split(".")[:2])
    for other in imports(name):
        if other.startswith((f"{home}.", home)) or other == home:
            continue
        if name.startswith("methods."):
            allowed = other.startswith("methods.layers") or other.removeprefix("bench.") in METHODS_MAY
            assert allowed, f"{name} imports {other}"
        else:
            assert room(other) < 2, f"{name} imports {other}"


@pytest.mark.parametrize("name", [n for n in MODULES if room(n) == 4.5])
def test_the_report_reads_records_only(name: str) -> None:
    allowed = {
        "bench.record",
        "bench.store",
        "bench.files",
        "bench.contract",
        "bench.entries",
        "bench.digest",
        "bench.grammar",
        "bench.registry",
        "bench.seeding",
    }
    for other in imports(name):
        assert other in allowed or other.startswith("bench.report"), f"{name} imports {other}"
    assert not _names_torch(MODULES[name]), f"{name} imports torch"


def test_there_is_no_cycle() -> None:
    graph = {name: set(imports(name, at_run_time_only=True)) for name in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"import cycle: {' -> '.join((*path, name))}"
        if name in done:
            return
        for other in graph[name]:
            visit(other, (*path, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def _names_torch(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "torch" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch")
        for node in ast.walk(tree)
    )


LIGHT = ("--help", "list methods", "list datasets", "list metrics", "list presets", "run --help", "report --help")


@pytest.mark.parametrize("command", LIGHT)
def test_light_commands_load_nothing_heavy(command: str) -> None:
    program = (
        "import sys\nsys.argv = ['bench', *sys.argv[1:]]\nfrom bench.cli import main\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code, done.code\n"
        "heavy = {'torch', 'diffusers', 'pandas', 'matplotlib', 'scipy', 'datasets', 'lmdb', 'skimage', 'sklearn'}\n"
        "loaded = sorted(heavy & set(sys.modules))\nassert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
