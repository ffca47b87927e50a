"""The rooms: who may import whom, no cycle, nothing heavy where it must not be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from . import links
from .links import ROOT, modules, target

RECORDS = {"contract", "entries", "record"}
STOCK = {"datasets", "features", "metrics"}
COMMANDS = {"cli", "__main__"}
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
REPORT_MAY = {"record", "store", "files", "contract", "entries", "digest", "grammar", "registry", "seeding"}

MODULES = modules(ROOT, "bench", "methods")


def imports(name: str, at_run_time_only: bool = False) -> Iterator[str]:
    """The dotted names of our own modules that a module imports, anywhere in its text; a ghost fails."""
    for found in links.imports(name, MODULES[name]):
        assert not found.relative, f"{name} has a relative import"
        other = None if at_run_time_only and found.late else target(found, MODULES)
        if other not in (None, "bench", name):
            yield other


def room(name: str) -> float:
    """The number of a module's room (see the README's file tree)."""
    parts = name.split(".")
    if parts[0] == "methods":
        return 2
    if len(parts) == 1:
        return 0
    if parts[1] in RECORDS:
        return 0
    if parts[1] in STOCK:
        return 2
    if parts[1] == "tasks":
        return 3
    if parts[1] == "report":
        return 4.5
    if parts[1] in COMMANDS:
        return 5
    return 4 if parts[1] in RUNNING else 1


def test_every_name_of_the_lists_is_a_module() -> None:
    named = {"tasks", "report"} | RECORDS | STOCK | COMMANDS | RUNNING | METHODS_MAY | REPORT_MAY
    assert {f"bench.{name}" for name in named} | {"methods.layers"} <= set(MODULES)


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
    for other in imports(name):
        allowed = other.removeprefix("bench.") in REPORT_MAY or other.startswith("bench.report")
        assert allowed, f"{name} imports {other}"
    assert not _names_torch(name), f"{name} imports torch"


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


def _names_torch(name: str) -> bool:
    return any(found.module.split(".")[0] == "torch" for found in links.imports(name, MODULES[name]))


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
