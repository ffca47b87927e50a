"""The one law: imports go leftwards only. The folder is the rule; no file is named in it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from . import links
from .links import ROOT, modules, target

ROOMS = (
    *("errors", "contract", "core", "results", "data", "pretrained", "metrics", "evaluate", "train"),
    *("report", "regression", "run", "cli"),
)
"""From the foundation to the command line: a room imports itself and what stands left of it."""
METHODS_MAY = (
    "bench.errors",
    "bench.contract",
    "bench.core",
    "bench.pretrained",
    "methods.autoencoder",
    "methods.priors",
)
"""What a method imports beside its own folder."""
WITHOUT_TORCH = ("bench.report", "bench.regression")


MODULES = modules(ROOT, "bench", "methods")


def within(name: str, package: str) -> bool:
    """Whether a module is the package or lies in it."""
    return name == package or name.startswith(f"{package}.")


def room(name: str) -> str:
    """The room of a module of ``bench``: the first name after it; what starts the program belongs to ``cli``."""
    first = name.split(".")[1]
    return "cli" if first == "__main__" else first


def ours(name: str, at_run_time_only: bool = False) -> Iterator[str]:
    """The modules of our own that a module imports, the root of ``bench`` (the version) aside; a ghost fails."""
    for found in links.imports(name, MODULES[name]):
        assert not found.relative, f"{name} has a relative import"
        other = None if at_run_time_only and found.late else target(found, MODULES)
        if other not in (None, "bench", name):
            yield other


def faults(name: str, others: Iterator[str]) -> list[str]:
    """The imports of a module that the law forbids; the table of methods itself is for ``run`` alone."""
    if within(name, "methods"):
        home = ".".join(name.split(".")[:2])
        return [other for other in others if not any(within(other, package) for package in (home, *METHODS_MAY))]
    allowed = ROOMS[: ROOMS.index(room(name)) + 1]
    return [
        other
        for other in others
        if (room(other) not in allowed if within(other, "bench") else (room(name), other) != ("run", "methods"))
    ]


@pytest.mark.parametrize("name", [name for name in MODULES if name != "bench"])
def test_imports_go_leftwards_only(name: str) -> None:
    found = faults(name, ours(name))
    assert not found, f"{name} imports {', '.join(found)}"


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("bench.core.images", "bench.results.record"),
        ("bench.report.tables", "bench.regression.gates"),
        ("bench.metrics.measure", "bench.run.session"),
        ("bench.evaluate.cost", "methods"),
        ("bench.run.runner", "methods.vqgan"),
        ("methods.vqgan.checkpoint", "methods.brics.model"),
        ("methods.vqgan.checkpoint", "bench.evaluate.rate"),
        ("methods.priors.gpt", "methods.rqvae.prior"),
    ],
)
def test_the_law_forbids(name: str, other: str) -> None:
    assert faults(name, iter([other])) == [other]


def test_every_room_says_in_one_sentence_what_it_is_for() -> None:
    for name, path in MODULES.items():
        if name.count(".") == 1 and path.name == "__init__.py":
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            assert said, f"{name} does not say what it is for"
    assert {room(name) for name in MODULES if within(name, "bench") and name != "bench"} == set(ROOMS)


@pytest.mark.parametrize("name", [n for n in MODULES if any(within(n, package) for package in WITHOUT_TORCH)])
def test_the_report_needs_no_torch(name: str) -> None:
    assert not any(within(found.module, "torch") for found in links.imports(name, MODULES[name])), (
        f"{name} imports torch"
    )


def test_there_is_no_cycle() -> None:
    graph = {name: set(ours(name, at_run_time_only=True)) for name in MODULES}
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
