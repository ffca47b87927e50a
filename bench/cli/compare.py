"""``compare``: has anything become worse? Exit 0 no, 1 yes, 4 the results cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.core.registry import suggestion
from bench.core.visible import encoded
from bench.errors import NotComparable, UsageError

if TYPE_CHECKING:
    from bench.regression.gates import Gates
    from bench.report.load import Loaded

FORMATS = ("md", "json", "junit")

Baseline = Annotated[Path, typer.Argument(help="result file or folder to compare with")]
Current = Annotated[Path, typer.Argument(help="result file or folder to judge")]
Gate = Annotated[Path | None, typer.Option("--gate", help="gates.yaml: tolerances, allowed rows, speed")]
Format = Annotated[str, typer.Option("--format", help="md, json or junit")]
Out = Annotated[Path | None, typer.Option(help="write there as well as saying the outcome")]


def compare(baseline: Baseline, current: Current, gate: Gate = None, form: Format = "md", out: Out = None) -> int:
    """Say what got worse between two sets of results; fit for CI."""
    from bench.core.files import write_bytes
    from bench.metrics import METRICS
    from bench.regression import verdicts
    from bench.regression.compare import compare as judge
    from bench.regression.gates import Gates, read_gates
    from bench.report.load import load

    if form not in FORMATS:
        raise UsageError(f"There is no format '{form}'.{suggestion(form, FORMATS)}")
    gates = read_gates(gate) if gate else Gates()
    tolerances = {entry.name: entry.tolerance for entry in METRICS.values()}
    before, after = load([baseline]), load([current])
    _have_a_row_in_common(before, after, gates)
    found = judge(before, after, gates, tolerances)
    writers = {"md": verdicts.to_markdown, "json": verdicts.to_json, "junit": verdicts.to_junit}
    text = writers[form](found)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_bytes(out, encoded(text))
    typer.echo(verdicts.headline(found), err=True)
    return verdicts.exit_code(found)


def _have_a_row_in_common(before: Sequence[Loaded], after: Sequence[Loaded], gates: Gates) -> None:
    """Raises :class:`NotComparable` where every row would be missing and new, although the gates do not expect it."""
    from bench.regression.numbers import by_place

    old, new = by_place(before), by_place(after)
    meant = all(gates.may("missing", place.method) for place in old) and all(gates.may("new", p.method) for p in new)
    if old.keys() & new.keys() or meant:
        return
    raise NotComparable(
        f"The two sides have no row in common ({next(iter(old))}; {next(iter(new))}): compare holds the same method, "
        "dataset and preset against itself at another time. To see different methods side by side, run: "
        "python -m bench report -r BASELINE -r CURRENT"
    )
