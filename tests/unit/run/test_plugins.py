"""Plugins and look-up."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.contract import MethodEntry
from bench.core import registry
from bench.errors import UsageError
from bench.run import plugins

GOOD = """
from bench.contract import MethodEntry
METHOD = MethodEntry(name="mine", title="Mine", summary="a test")
class Mine: ...
"""


def test_lookup_suggests() -> None:
    with pytest.raises(UsageError, match=r"no method 'vqgam'\. Did you mean 'vqgan'"):
        registry.lookup({"vqgan": 1, "brics": 2}, "vqgam", "method")
    with pytest.raises(UsageError, match="There are: brics, vqgan"):
        registry.lookup({"vqgan": 1, "brics": 2}, "zzzz", "method")


def test_a_plugin_file_adds_its_method(tmp_path: Path) -> None:
    file = tmp_path / "plugin_good.py"
    file.write_text(GOOD)
    table = plugins.with_plugins({}, [str(file)])
    assert table["mine"].title == "Mine"
    assert plugins.plugin_entry(f"{file}:Mine") == MethodEntry(
        name="mine", title="Mine", summary="Mine of plugin_good.py", tokenizer="plugin_good:Mine"
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("plugin_dead.py", "import a_module_that_is_not_there", "cannot be imported: ModuleNotFoundError"),
        ("plugin_syntax.py", "def f(:", "cannot be imported: SyntaxError"),
        ("plugin_empty.py", "", "has no 'METHOD'"),
        ("plugin_other.py", "METHOD = 3", "is not a bench.contract.MethodEntry but int"),
        ("json.py", GOOD, "has the name of a module that is in use"),
    ],
)
def test_bad_plugins(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        plugins.with_plugins({}, [str(file)])


def test_a_missing_plugin_and_a_taken_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no plugin file"):
        plugins.plugin_entry(str(tmp_path / "nothing.py"))
    file = tmp_path / "plugin_twice.py"
    file.write_text(GOOD)
    with pytest.raises(UsageError, match="'mine', which exists already"):
        plugins.with_plugins({"mine": "plugin_twice:METHOD"}, [str(file)]) if plugins.plugin_module(file) else None
