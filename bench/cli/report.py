"""``report`` and ``plot``: tables, figures and the page from results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.core.registry import suggestion
from bench.core.visible import encoded, visible
from bench.errors import GateFailed, UsageError
from bench.report.quoted import QUOTED_FOLDER

if TYPE_CHECKING:
    from bench.report.build import Content, Options
    from bench.report.figures import Plan

RESULTS = Path("results/local")
REPORTS = Path("reports/local")
KINDS = (
    "reconstructions", "differences", "samples", "neighbours", "rate-distortion", "quality-gmac", "quality-time",
    "training", "code-use", "placement", "sample-placement",
)  # fmt: skip

Results = Annotated[list[Path] | None, typer.Option("--results", "-r", help="file or folder; repeat; results/local")]
Out = Annotated[Path, typer.Option(help="folder for the files")]
DatasetName = Annotated[str | None, typer.Option("--dataset", "-d", help="only this dataset")]
Quoted = Annotated[Path, typer.Option(help="folder of published numbers", show_default=False)]
QuotedOnly = Annotated[bool, typer.Option("--quoted-only", help="print the literature's tables; needs no results")]
Contradictions = Annotated[bool, typer.Option("--contradictions", help="print what sources print differently, and why")]
Check = Annotated[bool, typer.Option("--check", help="write nothing; exit 1 unless --out follows from the results")]
Formats = Annotated[str | None, typer.Option("--format", help="of md,latex,csv,json,html,figures,model-index; all")]
Intervals = Annotated[bool, typer.Option("--intervals", help="bootstrap intervals beside pair metrics")]
Readme = Annotated[Path | None, typer.Option(help="Markdown file whose marked block gets the table and a figure")]
Columns = Annotated[str | None, typer.Option(help="one table of these, as psnr,lpips,rfid, in every format")]
Methods = Annotated[str | None, typer.Option("--methods", "-m", help="only these rows, in this order, as vqgan,jpeg")]
Sort = Annotated[str | None, typer.Option(help="column that orders the rows, the best first; or 'method'")]
Digits = Annotated[int | None, typer.Option(min=0, max=12, help="decimals of all but counts, times and sizes")]
Hub = Annotated[Path | None, typer.Option(help="folder for model cards to push to the Hugging Face Hub, one a method")]
HubDataset = Annotated[str | None, typer.Option(help="OWNER/NAME of the dataset on the Hub, for .eval_results")]
Title = Annotated[str | None, typer.Option(help="title of the report")]


def report(
    results: Results = None,
    out: Out = REPORTS,
    dataset: DatasetName = None,
    quoted: Quoted = QUOTED_FOLDER,
    quoted_only: QuotedOnly = False,
    contradictions: Contradictions = False,
    check: Check = False,
    formats: Formats = None,
    intervals: Intervals = False,
    title: Title = None,
    readme: Readme = None,
    hub: Hub = None,
    hub_dataset: HubDataset = None,
    columns: Columns = None,
    methods: Methods = None,
    sort: Sort = None,
    digits: Digits = None,
) -> int:
    """Turn results into tables, figures and one HTML page.

    For a paper: bench report --columns psnr,lpips,rfid --methods vqgan,brics --sort psnr --digits 2 --format latex
    """
    from bench.cli import hub as sharing
    from bench.core.files import write_bytes
    from bench.report import build
    from bench.report.choice import split_methods
    from bench.report.writers.text import to_text

    if check and hub is not None:
        raise UsageError("--check writes nothing; leave it or --hub away.")
    if hub_dataset is not None and hub is None:
        raise UsageError("--hub-dataset says what the files of --hub are about; add --hub FOLDER.")
    if columns and hub is not None:
        raise UsageError("--hub writes whole tables; leave it or --columns away.")
    alone = "--contradictions" if contradictions else "--quoted-only" if quoted_only else ""
    if quoted_only and contradictions:
        raise UsageError("--contradictions and --quoted-only are two reports; leave one of them away.")
    if alone and (columns or methods or sort or digits is not None):
        raise UsageError(
            f"--columns, --methods, --sort and --digits are for what was measured; leave them or {alone} away."
        )
    if contradictions and (readme is not None or hub is not None):
        raise UsageError("--readme and --hub are for what was measured; leave them or --contradictions away.")
    options = replace(
        _options(formats, intervals, title),
        columns=tuple(name.strip() for name in (columns or "").split(",") if name.strip()),
        methods=tuple(split_methods(methods or "")),
        sort=sort or "",
        decimals=digits,
    )
    made = _content(results, dataset, quoted, alone, options)
    if check:
        _verify([*build.check(made, out), *_stale(made, out, readme)], out)
        return 0
    if alone:
        for table in made.shown:
            typer.echo(to_text(table))
        if out == REPORTS:
            return 0
    elif options.columns:
        for table in made.shown:
            typer.echo(to_text(table))
    for path in build.write(made, out):
        typer.echo(visible(str(path)), err=True)
    if readme is not None:
        write_bytes(readme, encoded(_filled(made, out, readme)))
        typer.echo(visible(str(readme)), err=True)
    if hub is not None:
        sharing.write(made.tables, hub, hub_dataset)
    return 0


def _filled(made: Content, out: Path, readme: Path) -> str:
    """The text of the Markdown file with its block made anew."""
    from bench.report.writers.readme import block, insert

    if not readme.is_file():
        raise UsageError(f"There is no file {readme} to put the table into.")
    content = block(made.shown, [plan.name for plan in made.plans], out, readme)
    return insert(readme.read_text(encoding="utf-8"), content, readme)


def _stale(made: Content, out: Path, readme: Path | None) -> list[str]:
    if readme is None or _filled(made, out, readme) == readme.read_text(encoding="utf-8"):
        return []
    return [f"{readme}: the table is not the one that the results give."]


def _options(formats: str | None, intervals: bool, title: str | None) -> Options:
    from bench.report.build import FORMATS, TITLE, Options

    wanted = tuple(name.strip() for name in formats.split(",")) if formats else FORMATS
    for name in wanted:
        if name not in FORMATS:
            raise UsageError(f"There is no report format '{name}'.{suggestion(name, FORMATS)}")
    return Options(title or TITLE, wanted, intervals)


def _content(results: list[Path] | None, dataset: str | None, quoted: Path, alone: str, options: Options) -> Content:
    from bench.report import build
    from bench.report.load import load
    from bench.report.quoted import load_quoted

    if alone == "--quoted-only":
        return build.published_only(load_quoted(quoted), dataset, options)
    if alone:
        return build.contradictions_only(load(results) if results else (), load_quoted(quoted), dataset, options)
    found = [item for item in load(results or [RESULTS]) if dataset in (None, item.result.dataset)]
    if not found:
        raise UsageError(f"There are no results on '{dataset}' there; leave --dataset away to see all.")
    return build.content(found, load_quoted(quoted) if quoted.is_dir() else (), options)


def _verify(problems: list[str], out: Path) -> None:
    for problem in problems:
        typer.echo(visible(problem))
    if problems:
        count = len(problems)
        raise GateFailed(
            f"The report in {out} does not follow from the results ({count} {'file' if count == 1 else 'files'}); "
            "make it again with the same command without --check."
        )
    typer.echo(visible(f"The report in {out} follows from the results."))


Kind = Annotated[str | None, typer.Argument(help="kind of figure; without one, the figures there are")]
PlotOut = Annotated[Path, typer.Option(help="a .svg or .png file, or a folder")]


def plot(
    kind: Kind = None,
    results: Results = None,
    out: PlotOut = REPORTS / "figures",
    dataset: DatasetName = None,
) -> int:
    """Draw single figures: rate-distortion, training, reconstructions and others."""
    from bench.report.figures import plans
    from bench.report.load import load

    if kind is not None and kind not in KINDS:
        raise UsageError(f"There is no figure '{kind}'.{suggestion(kind, KINDS)}")
    found = [item for item in load(results or [RESULTS]) if dataset in (None, item.result.dataset)]
    there = plans(found)
    if kind is None:
        for plan in there:
            typer.echo(f"{plan.name}\t{plan.caption}")
        return 0
    wanted = [plan for plan in there if plan.name.endswith(f"-{kind}")]
    if not wanted:
        raise UsageError(f"These results have no data for '{kind}'; see what they have with: python -m bench plot.")
    _draw(wanted, out)
    return 0


def _draw(wanted: list[Plan], out: Path) -> None:
    from bench.core.files import write_bytes
    from bench.report.plots import save

    single = out.suffix in (".svg", ".png")
    if single and len(wanted) > 1:
        names = ", ".join(plan.name for plan in wanted)
        raise UsageError(
            f"{out} can hold one figure, these are {len(wanted)} ({names}); add --dataset or name a folder."
        )
    for plan in wanted:
        figure = plan.draw()
        for path in [out] if single else [out / f"{plan.name}.{kind}" for kind in plan.kinds]:
            write_bytes(path, save(figure, "svg" if path.suffix == ".svg" else "png"))
            typer.echo(visible(str(path)), err=True)
