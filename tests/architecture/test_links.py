"""No link of our own leads nowhere: late imports, imports for type checking, ``"module:attr"`` strings and tables."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bench.contract import MethodEntry
from bench.core import registry
from bench.data.dataset import DatasetEntry
from bench.data.datasets import DATASETS
from bench.metrics.entries import FeatureEntry
from bench.metrics.features import FEATURES
from bench.results.record import STAGES
from bench.run import checkpoints, plugins, stages
from methods import METHODS

from .links import PACKAGES, ROOT, composed, ghost, ghosts, modules, unloadable

MODULES = modules(ROOT, *PACKAGES)
TABLE = plugins.with_plugins(METHODS, ())
LOADED = {
    MethodEntry: ["code"],
    DatasetEntry: ["open", "download"],
    FeatureEntry: ["build"],
}
"""The fields of the tables' rows that the product loads."""

GHOSTS = {
    "import_late": "def f():\n    import PACKAGE.absent\n",
    "module_late": "def f():\n    def g():\n        from PACKAGE.absent import thing\n",
    "name_late": "class A:\n    def f(self):\n        from PACKAGE.real import absent\n",
    "name_first": "from PACKAGE.real import thing, absent\n",
    "submodule": "from PACKAGE import absent\n",
    "relative": "def f():\n    from .absent import thing\n",
    "relative_name": "def f():\n    from .real import absent\n",
    "typing_module": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from PACKAGE.absent import Thing\n",
    "typing_name": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from PACKAGE.real import Absent\n",
    "only_typing": "from PACKAGE.good import Fraction\n",
    "others": "def f():\n    import a_package_that_is_absent\n",
    "name_of_others": "def f():\n    from json import absent\n",
    "string_module": "TABLE = {'a': 'PACKAGE.absent:thing'}\n",
    "string_name": "def f(path='PACKAGE.real:absent'): ...\n",
    "string_deeper": "PATH = 'PACKAGE.real:thing.absent'\n",
}
"""A module for each kind of link that leads nowhere."""

GOOD = """
from __future__ import annotations
from typing import TYPE_CHECKING
from . import real
from .real import thing
if TYPE_CHECKING:
    from fractions import Fraction
PATH = "PACKAGE.real:thing"
ELSE = "elsewhere.absent:thing"
SOURCE = "PACKAGE:source.toml"
def f():
    import PACKAGE.real
    from json import decoder
    from PACKAGE import real
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package, named as the test's own folder, with a good module and one for each ghost."""
    for module, text in {"__init__": "", "real": "thing = 1\n", "good": GOOD, **GHOSTS}.items():
        (tmp_path / f"{module}.py").write_text(text.replace("PACKAGE", tmp_path.name), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path.parent)
    return tmp_path


def entries() -> Iterator[tuple[str, str]]:
    """Every field of the tables that the product loads: what it belongs to, and the string."""
    for table in (TABLE, DATASETS, FEATURES):
        for name, entry in table.items():
            for field in LOADED[type(entry)]:
                path = getattr(entry, field)
                if path is not None:
                    yield f"{name}.{field}", path


@pytest.fixture
def clip_is_empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """clean-fid's CLIP imports OpenAI's package, which nothing here needs; its own test puts this in its place too.

    What was imported with the empty one must not be found by that test.
    """
    monkeypatch.setitem(sys.modules, "clip", ModuleType("clip"))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "cleanfid":
            del sys.modules[name]


@pytest.mark.usefixtures("clip_is_empty")
@pytest.mark.parametrize("name", MODULES)
def test_every_link_of_a_module_resolves(name: str) -> None:
    assert ghosts(name, MODULES[name], *PACKAGES) == []


def test_every_string_of_the_tables_loads() -> None:
    found = dict(entries())
    assert len(found) >= len(TABLE) + len(DATASETS) + len(FEATURES)
    assert [f"{owner}: {why}" for owner, path in found.items() if (why := unloadable(path))] == []


def test_every_method_of_the_table_loads_and_is_called_by_its_name() -> None:
    assert {name: registry.load(path).name for name, path in METHODS.items()} == {name: name for name in METHODS}


@pytest.mark.parametrize("name", [name for name, entry in TABLE.items() if entry.source])
def test_every_named_source_is_a_file(name: str) -> None:
    assert checkpoints.source(TABLE[name])


def test_every_stage_loads() -> None:
    assert all(stages.stage(name).run for name in STAGES)


def test_every_composed_string_has_a_module() -> None:
    """Of an f-string only the module can be read from the text; its attribute is seen in the tables above."""
    starts = {text for path in MODULES.values() for text in composed(path) if ":" in text}
    ours = {text.partition(":")[0] for text in starts if text.startswith(("bench.", "methods."))}
    assert ours == {"bench.metrics.features.dinov2", "bench.metrics.features.inception"}
    assert [why for module in ours if (why := ghost(module))] == []


def test_the_program_and_the_version_of_the_project_resolve() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    points = project["project"].get("entry-points", {}).values()
    programs = [path for group in (project["project"]["scripts"], *points) for path in group.values()]
    version = project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    assert [why for path in (*programs, ":".join(version.rsplit(".", 1))) if (why := unloadable(path))] == []


@pytest.mark.parametrize("kind", GHOSTS)
def test_the_check_finds_each_kind_of_ghost(package: Path, kind: str) -> None:
    (found,) = ghosts(f"{package.name}.{kind}", package / f"{kind}.py", package.name)
    text = GHOSTS[kind].splitlines()
    assert found.startswith(tuple(f"{kind}.py:{line}: " for line in range(1, len(text) + 1)))
    assert any(word in found for word in ("absent", "Absent", "Fraction"))


def test_the_check_accepts_what_resolves(package: Path) -> None:
    assert ghosts(f"{package.name}.good", package / "good.py", package.name) == []
