"""Plugins and look-up."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.contract import Method, MethodEntry
from bench.core import registry
from bench.errors import AdapterError, UsageError
from bench.run import plugins
from tests.conftest import Command

GOOD = """
from bench.contract import MethodEntry
METHOD = MethodEntry(name="mine", title="Mine", summary="a test", code="plugin_good:Mine")
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
        name="mine", title="Mine", summary="Mine of plugin_good.py", code="plugin_good:Mine"
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
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


HEAD = "from bench.contract import MethodEntry\n"
OLD = {
    "plugin_smallest.py": """METHOD = MethodEntry("a", "A", "", tokenizer="plugin_smallest:A")""",
    "plugin_trained.py": """METHOD = MethodEntry(name="a", title="A", summary="", settings="a:s", learner="a:l")""",
    "plugin_none.py": """METHOD = MethodEntry(name="a", title="A", summary="")""",
    "plugin_strings.py": """METHOD = MethodEntry(name="a", title="A", summary="", code="a:B", settings="a:s")""",
}


@pytest.mark.parametrize("name", OLD)
def test_a_plugin_written_for_the_first_version_is_told_what_changed(
    name: str, tmp_path: Path, command: Command
) -> None:
    (tmp_path / name).write_text(HEAD + OLD[name])
    arguments = ["run", "--plugin", str(tmp_path / name), "--methods", "a", "--dataset", "photos"]
    done = command(*arguments)
    assert done.code == 2
    assert 'after 0.1 a row names one code="module:attr"' in done.err
    assert "Traceback" not in done.err


HERE = "tests.unit.run"


class Neither:
    """A class is taken for a tokenizer's."""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (f"{HERE}.test_plugins:absent", "has no attribute 'absent'"),
        (f"{HERE}.absent:thing", f"No module named '{HERE}.absent'"),
        ("no path", "cannot be imported"),
        ("tests.unit.run.test_plugins:HEAD", "is str; name a bench.contract.Method or a tokenizer class"),
    ],
)
def test_code_that_leads_nowhere_is_said_with_the_row(code: str, words: str) -> None:
    with pytest.raises(AdapterError, match=f"The code '{code}' of 'mine' .*{words}"):
        registry.method_of(MethodEntry("mine", "Mine", "", code))


def test_a_class_is_a_method_that_only_makes_tokenizers() -> None:
    found = registry.method_of(MethodEntry("mine", "Mine", "", "tests.unit.run.test_plugins:Neither"))
    assert found == Method(tokenizer=Neither)


def test_a_missing_plugin_and_a_taken_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no plugin file"):
        plugins.plugin_entry(str(tmp_path / "nothing.py"))
    file = tmp_path / "plugin_twice.py"
    file.write_text(GOOD)
    with pytest.raises(UsageError, match="'mine', which exists already"):
        plugins.with_plugins({"mine": "plugin_twice:METHOD"}, [str(file)]) if plugins.plugin_module(file) else None


UNREAD = HEAD + 'NAME = "posterise"\ndef broken(:\nMETHOD = MethodEntry(name=NAME, title="P", summary="", code="a:B")\n'


@pytest.mark.parametrize(
    ("file", "arguments", "code"),
    [
        ("plugin_unread.py", ("run", "--preset", "smoke", "--methods", "posterise"), 2),
        ("plugin_unread.py", ("cost", "--methods", "posterise"), 2),
        ("plugin_unread.py", ("cost", "--methods", "plugin_unread"), 3),
        ("plugin_unread.py", ("fetch", "plugin_unread@some"), 3),
        ("plugin_unread.py", ("fetch", "posterise@some"), 2),
        ("jpeg.py", ("run", "--preset", "smoke", "--methods", "posterise"), 2),
    ],
)
def test_a_plugin_whose_name_cannot_be_told_is_said_with_the_cause(
    file: str, arguments: tuple[str, ...], code: int, tmp_path: Path, cache: Path, command: Command
) -> None:
    (tmp_path / file).write_text(UNREAD)
    done = command(*arguments, "--plugin", str(tmp_path / file))
    assert done.code == code
    assert f"The plugin {tmp_path / file} cannot be imported: SyntaxError" in done.err
    assert f"{tmp_path / file}:3" in done.err
