"""The README does not rot: its plugin runs, its commands and flags exist, its length of plugin stays honest."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.run.presets import PRESETS
from tests.conftest import Command

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
COMMANDS = sorted(
    {
        line.partition("#")[0].strip()
        for language, text in BLOCKS
        if language == "bash"
        for piece in text.splitlines()
        for line in piece.split("&&")
        if "python -m bench" in line
    }
)


def plugin_source() -> str:
    return next(text for language, text in BLOCKS if language == "python" and "# my_tokenizer.py" in text)


def test_the_plugin_has_at_most_25_lines() -> None:
    assert len([line for line in plugin_source().splitlines() if line.strip()]) <= 25


def test_the_plugin_runs_as_written(
    tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(shared_cache))
    monkeypatch.chdir(tmp_path)
    Path("my_tokenizer.py").write_text(plugin_source())
    tested = command("selftest", "my_tokenizer.py")
    assert tested.code == 0, tested.out
    done = command("run", "--plugin", "my_tokenizer.py", "--methods", "posterise", "--preset", "smoke", "--json")
    assert done.code == 0, done.err
    assert '"psnr"' in done.out


@pytest.mark.parametrize("line", COMMANDS)
def test_every_flag_of_every_command_exists(line: str, command: Command) -> None:
    words = shlex.split(line)
    arguments = words[words.index("bench") + 1 :]
    depth = 2 if arguments[0] in ("data", "stats", "cache") else 1
    helped = command(*arguments[:depth], "--help")
    assert helped.code == 0, helped.err
    for word in arguments:
        if word.startswith("--"):
            assert re.search(rf"{re.escape(word)}\b", helped.out), f"{word} of '{line}' is not a flag"


def test_the_presets_of_the_readme_are_those_of_the_program() -> None:
    for preset in PRESETS.values():
        assert re.search(rf"\| `{preset.name}`.*\| {preset.resolution} px", README), preset.name


def test_every_file_of_the_tree_exists() -> None:
    tree = next(text for language, text in BLOCKS if not language and text.startswith("bench/"))
    for name in re.findall(r"^\s*([\w.]+(?:\.py|/))", tree, re.MULTILINE):
        assert any(ROOT.rglob(name.rstrip("/"))), name
