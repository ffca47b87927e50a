"""The command line: the only place that joins the rooms. Each subcommand has a file and imports its rooms late.

Exit codes: 0 ok, 1 gate failed, 2 usage, 3 some cells failed, 4 not comparable, 5 integrity, 70 a fault of the
program itself, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from io import TextIOWrapper

import typer

from bench.cli import (
    cache,
    compare,
    cost,
    data,
    env,
    examples,
    fetch,
    listing,
    report,
    reproduce,
    run,
    sample,
    score,
    selftest,
    stats,
    unforeseen,
)
from bench.core import threads
from bench.core.failures import refused
from bench.core.visible import visible
from bench.errors import BenchError, UsageError

INTERRUPTED = 130


def _exit_with(code: object) -> None:
    """A subcommand's return value is the exit code."""
    raise typer.Exit(code if isinstance(code, int) else 0)


def _welcome(context: typer.Context) -> None:
    """Without a command: the three that most people need."""
    if context.invoked_subcommand is None:
        typer.echo(examples.WELCOME)


app = typer.Typer(
    name="bench",
    help=examples.HELP,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    callback=_welcome,
    result_callback=_exit_with,
)
COMMANDS: Mapping[str, Callable[..., object]] = {
    "run": run.run,
    "train": run.train,
    "validate": run.validate,
    "list": listing.show,
    "sample": sample.sample,
    "selftest": selftest.selftest,
    "env": env.env,
    "cost": cost.cost,
    "report": report.report,
    "plot": report.plot,
    "score": score.score,
    "compare": compare.compare,
    "reproduce": reproduce.reproduce,
    "fetch": fetch.fetch,
}
for name, function in COMMANDS.items():
    app.command(name, epilog=examples.epilog(name))(function)
app.add_typer(cache.app, name="cache")
app.add_typer(data.app, name="data")
app.add_typer(stats.app, name="stats")


def main() -> None:
    """Runs the command line; every :class:`BenchError` is one sentence on stderr and its exit code.

    Any other exception is a fault of the program: one sentence, a report file, and exit code 70.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    threads.settle(os.environ)
    try:
        app()
    except BenchError as error:
        if "--debug" in sys.argv:
            raise
        sys.stderr.write(f"bench: {visible(str(error))}\n")
        sys.exit(error.exit_code)
    except SystemExit as done:
        if done.code == INTERRUPTED:
            sys.stderr.write("bench: interrupted; the same command resumes.\n")
        raise
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        said = refused(error)
        sys.stderr.write(f"bench: {unforeseen.sentence(error) if said is None else visible(said)}\n")
        sys.exit(unforeseen.EXIT_CODE if said is None else UsageError.exit_code)
