"""The flags of a run are the fields of its configuration: each stands in one place."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from bench.cli import app
from bench.cli.flags import EVERY, TRAINING, Flags, with_flags
from bench.run.config import RunConfig, run_config

FIELDS = {field.name: field for field in dataclasses.fields(RunConfig)}


def options(command: str) -> dict[str, str]:
    """By field or parameter: the help of an option of a command."""
    found = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    return {param.name: getattr(param, "help", "") or "" for param in found.params if param.name != "help"}


@pytest.mark.parametrize("command", ["run", "validate"])
def test_every_field_is_a_flag_with_its_help(command: str) -> None:
    found = options(command)
    assert {name: found[name] for name in FIELDS} == {name: field.metadata["help"] for name, field in FIELDS.items()}
    assert all(found.values())


def test_a_command_that_trains_alone_has_no_flags_for_what_comes_later() -> None:
    assert set(options("train")) == {*TRAINING, "config", "json"}
    assert {"clock", "stages", "eval_limit"} <= set(EVERY) - set(TRAINING)
    assert {"micro_batch", "limit", "on_bad"} <= set(TRAINING)


def given_for(*arguments: str) -> dict[str, Any]:
    """What a command gets of its flags."""
    seen: dict[str, Any] = {}
    made = typer.Typer()

    @made.command()
    @with_flags(EVERY)
    def command(flags: Flags, other: Annotated[int, typer.Option()] = 1) -> int:
        """Words."""
        seen.update(flags, other=other)
        return 0

    done = CliRunner().invoke(made, [*arguments])
    assert done.exit_code == 0, done.output
    return seen


def test_what_is_not_given_is_none_and_takes_the_fields_default() -> None:
    seen = given_for("-m", "vqgan", "--other", "3")
    assert seen.pop("other") == 3
    assert {name for name, value in seen.items() if value is not None} == {"methods"}
    assert run_config(seen, None) == RunConfig(methods=("vqgan",))


def test_every_kind_of_flag_arrives_with_its_type() -> None:
    seen = given_for(
        *("-m", "a:k=1,l=2", "--methods", "b", "-d", "church", "--seeds", "0, 1", "--limit", "7", "--out", "there"),
        *("--stages", "recon,cost", "--offline", "--keep-going", "--on-bad", "fail", "--set", "a=1", "--set", "b=2"),
    )
    del seen["other"]
    assert run_config(seen, None) == RunConfig(
        methods=("a:k=1,l=2", "b"),
        dataset="church",
        seeds=(0, 1),
        limit=7,
        out=Path("there"),
        stages=("recon", "cost"),
        offline=True,
        fail_fast=False,
        on_bad="fail",
        set=("a=1", "b=2"),
    )
    assert seen["fail_fast"] is False, "said against a configuration file, not left out"
