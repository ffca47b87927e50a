"""The command line: the only place that joins the rooms. Each subcommand has a file and imports its rooms late.

Exit codes: 0 ok, 1 gate failed, 2 usage, 3 some cells failed, 4 not comparable, 5 integrity, 130 interrupted.
"""

from __future__ import annotations

import os
import sys

import click
import typer

from bench.cli import cache, cost, env, listing, run, selftest
from bench.contract import BenchError

app = typer.Typer(
    name="bench",
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("train")(run.train)
app.command("validate")(run.validate)
app.command("list")(listing.show)
app.command("selftest")(selftest.selftest)
app.command("cost")(cost.cost)
app.command("env")(env.env)
app.add_typer(cache.app, name="cache")


def main() -> None:
    """Runs the command line; every :class:`BenchError` is one sentence on stderr and its exit code."""
    debug = "--debug" in sys.argv
    try:
        code = app(standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except BenchError as error:
        if debug:
            raise
        print(f"bench: {error}", file=sys.stderr)  # noqa: T201
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("bench: interrupted; the same command resumes.", file=sys.stderr)  # noqa: T201
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
