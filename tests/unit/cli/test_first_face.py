"""What a person sees who types no command; examples that parse; completion of the shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest
import typer

from bench.cli import COMMANDS, app, examples
from tests.conftest import Command


def test_without_a_command_the_three_that_most_people_need(command: Command) -> None:
    done = command()
    assert done.code == 0
    assert [line.split()[3] for line in done.out.splitlines() if line.startswith("  python -m bench")] == [
        "run",
        "score",
        "report",
    ]


GROUPS = {info.name: info.typer_instance for info in app.registered_groups}


def test_there_is_an_example_for_every_command() -> None:
    inner = {f"{group} {one.name}" for group, below in GROUPS.items() for one in below.registered_commands}
    assert set(examples.EXAMPLES) == {*COMMANDS, *inner}


def parsed(arguments: list[str]) -> None:
    """Parses a command's arguments without running it; raises for what it does not know."""
    group = typer.main.get_command(app)
    context = group.make_context("bench", list(arguments), resilient_parsing=True)
    name, found, rest = group.resolve_command(context, arguments)  # type: ignore[attr-defined]
    if arguments[0] in GROUPS:
        context = found.make_context(name, list(rest), resilient_parsing=True)
        name, found, rest = found.resolve_command(context, rest)
    found.make_context(name, list(rest))


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_the_help_of_every_command_ends_with_an_example_that_parses(name: str, command: Command) -> None:
    said = "".join(command(*name.split(), "--help").out.split())
    assert said.endswith("".join(f"Example: python -m bench {examples.EXAMPLES[name]}".split()))
    parsed(shlex.split(examples.EXAMPLES[name]))


@pytest.mark.parametrize("line", [line for line in examples.WELCOME.splitlines() if line.startswith("  python")])
def test_the_three_commands_parse(line: str) -> None:
    parsed(shlex.split(line.partition("     ")[0])[3:])


def test_the_check_of_examples_finds_a_flag_that_is_not_there() -> None:
    with pytest.raises(Exception, match="--nonsense"):
        parsed(["run", "--nonsense", "1"])


def test_the_shell_completes_commands_and_flags() -> None:
    def completed(words: str) -> str:
        environment = {**os.environ, "_IMAGE_TOKENIZER_BENCH_COMPLETE": "complete_bash"}
        environment |= {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        start = "import sys; sys.argv = ['image-tokenizer-bench']; from bench.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", start], env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout

    assert completed("image-tokenizer-bench re").split() == ["report", "reproduce"]
    assert "--seeds" in completed("image-tokenizer-bench run --se").split()
