"""A whole report: which files it has, writing them, and checking that they still follow from their results."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bench
from bench.core.files import folder_name, write_bytes
from bench.core.visible import encoded
from bench.errors import UsageError
from bench.report import choice, figures, plots, rulers
from bench.report.columns import SPECS
from bench.report.contradictions import contradictions
from bench.report.gallery import Gallery, galleries
from bench.report.literature import literature
from bench.report.load import Loaded
from bench.report.published import against_published
from bench.report.quoted import QuotedTable
from bench.report.significance import with_statistics
from bench.report.stand_ins import files_apart
from bench.report.table import Table
from bench.report.tables import tables
from bench.report.writers import html, latex, model_index
from bench.report.writers import text as render
from bench.results.record import Result

FORMATS = ("md", "latex", "csv", "json", "html", "figures", "model-index")
FIGURES = "figures.json"
TITLE = "Image tokenizers compared"


@dataclass(frozen=True)
class Options:
    """What a report should hold. ``intervals`` prints confidence intervals beside pair metrics.

    With ``columns`` there is one table per dataset and preset, of these columns; ``methods`` are the rows, ``sort`` is
    the column that orders them, ``decimals`` are printed of every number that is no count, time or size.
    """

    title: str = TITLE
    formats: tuple[str, ...] = FORMATS
    intervals: bool = False
    columns: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    sort: str = ""
    decimals: int | None = None


@dataclass(frozen=True)
class Content:
    """All that the files of a report are made from.

    ``tables`` are for machines; :attr:`shown` are what people read.
    """

    lead: str
    tables: tuple[Table, ...]
    plans: tuple[figures.Plan, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    options: Options = field(default_factory=Options)

    @property
    def shown(self) -> tuple[Table, ...]:
        """The tables with the columns that tell their rows apart, or as they were asked for."""
        return self.tables if self.options.columns else tuple(choice.concise(table) for table in self.tables)


def _images(results: Sequence[Result]) -> str:
    """The datasets, each with the sizes and crops of its images where a result says them."""
    kinds: dict[str, dict[str, None]] = {}
    for result in results:
        data = result.provenance.get("data", {})
        found = kinds.setdefault(result.dataset, {})
        if {"resolution", "protocol"} <= data.keys():
            side = data["resolution"]
            native = str(data["protocol"]).startswith("native")
            crop = f"{side} x {side} pixels, cropped and resized by '{data['protocol']}'"
            found["whole images, protocol '" + data["protocol"] + "'" if native else crop] = None
    return ", ".join(f"{name} ({'; '.join(said)})" if said else name for name, said in kinds.items())


def content(results: Sequence[Loaded], quoted: Sequence[QuotedTable], options: Options) -> Content:
    """The content of a report on results, with the literature of the same datasets beside them."""
    results = choice.of_methods(results, options.methods) if options.methods else list(results)
    plain = [loaded.result for loaded in results]
    results = files_apart(results)
    own = with_statistics(_own(results, options), results, options.intervals)
    known = {table.dataset for table in quoted}
    datasets = [name for name in dict.fromkeys(r.dataset for r in plain) if name in known]
    beside = tuple(table for name in datasets for table in literature(quoted, name))
    lead = (
        f"{_many(len(plain), 'result')} of {_many(len({r.method for r in plain}), 'method')} on {_images(plain)}, "
        f"made with image-tokenizer-bench {bench.__version__}."
    )
    made = (
        own if options.columns else (*own, *rulers.of_results(plain), *against_published(plain, quoted), *_once(beside))
    )
    return Content(lead, made, tuple(figures.plans(results)), galleries(results), options)


def _own(results: Sequence[Loaded], options: Options) -> tuple[Table, ...]:
    """The tables of what was measured, with the rows in the order that was asked for."""
    names = ("everything",) if options.columns else tuple(SPECS)
    own = tables([loaded.result for loaded in results], names, options.decimals)
    own = choice.columns_of(own, options.columns) if options.columns else own
    return choice.ordered(own, options.sort) if options.sort else own


def published_only(quoted: Sequence[QuotedTable], dataset: str | None, options: Options) -> Content:
    """The content of a report that quotes and measures nothing."""
    made = literature(quoted, dataset)
    return Content("Published numbers only: nothing here was measured by this program.", made, options=options)


def contradictions_only(
    results: Sequence[Loaded], quoted: Sequence[QuotedTable], dataset: str | None, options: Options
) -> Content:
    """The content of a report on what sources print differently, with what was measured here beside it."""
    made = contradictions(quoted, [loaded.result for loaded in results], dataset)
    lead = "What sources print of the same tokenizer on the same dataset, how far apart it is, and the known causes."
    return Content(lead, made, options=options)


def texts(content: Content) -> dict[str, str]:
    """All text files of a report by path; the page links to the figures and pictures beside it."""
    made: dict[str, str] = {}
    title, formats = content.options.title, content.options.formats
    if "md" in formats:
        body = "\n".join(render.to_markdown(table) for table in content.shown)
        made["report.md"] = f"# {render.escape_markdown(title)}\n\n{render.escape_markdown(content.lead)}\n\n{body}"
    if "latex" in formats:
        made["report.tex"] = latex.document(content.shown)
        made |= {f"tables/{table.key}.tex": latex.to_latex(table) for table in content.shown}
    if "csv" in formats:
        made |= {f"tables/{table.key}.csv": render.to_csv(table) for table in content.tables}
    if "json" in formats:
        made["report.json"] = render.to_json(content.tables)
    if "html" in formats:
        pictures = [html.Picture(plan.caption, _files(plan)[0]) for plan in _drawn(content)]
        made["index.html"] = html.to_html(title, content.lead, content.shown, content.galleries, pictures)
    if "model-index" in formats:
        blocks = model_index.model_index(content.tables)
        made |= {f"model-index/{folder_name(label)}.yml": text for label, text in blocks.items()}
    digests = {plan.name: plan.digest for plan in _drawn(content)}
    digests |= {gallery.name: gallery.digest for gallery in _seen(content)}
    if digests:
        made[FIGURES] = json.dumps(digests, indent=2, sort_keys=True) + "\n"
    return made


def write(content: Content, out: Path) -> list[Path]:
    """Writes the report; a figure whose inputs have not changed is kept as it is. Returns the paths written."""
    known = _digests(out)
    drawn: dict[str, bytes] = {}
    for plan in _drawn(content):
        paths = [out / name for name in _files(plan)]
        if known.get(plan.name) == plan.digest and all(path.is_file() for path in paths):
            drawn |= {name: path.read_bytes() for name, path in zip(_files(plan), paths, strict=True)}
        else:
            figure = plan.draw()
            drawn |= {name: plots.save(figure, kind) for name, kind in zip(_files(plan), plan.kinds, strict=True)}
    for gallery in _seen(content):
        if known.get(gallery.name) != gallery.digest or not all((out / name).is_file() for name in gallery.files):
            drawn |= gallery.draw()
    files = {**drawn, **{name: encoded(text) for name, text in texts(content).items()}}
    for name, data in files.items():
        write_bytes(out / name, data)
    return [out / name for name in files]


def check(content: Content, out: Path) -> list[str]:
    """What in ``out`` does not follow from the content, a sentence each: texts by bytes, figures by their inputs."""
    known = _digests(out)
    problems = [
        f"figures/{plan.name}: drawn from other data."
        for plan in _drawn(content)
        if known.get(plan.name) != plan.digest
    ]
    problems += [f"images/{g.name}: drawn from other data." for g in _seen(content) if known.get(g.name) != g.digest]
    names = [name for plan in _drawn(content) for name in _files(plan)]
    names += [name for gallery in _seen(content) for name in gallery.files]
    problems += [f"{name}: the file is missing." for name in names if not (out / name).is_file()]
    if problems:
        return problems
    expected = texts(content)
    for name, text in expected.items():
        path = out / name
        if not path.is_file():
            problems.append(f"{name}: the file is missing.")
        elif path.read_bytes() != encoded(text):
            problems.append(f"{name}: {_first_difference(path.read_text(encoding='utf-8', errors='replace'), text)}")
    return problems + _surplus(out, {*expected, *names})


def _surplus(out: Path, expected: set[str]) -> list[str]:
    """Files of the report's own kinds that no result accounts for."""
    kinds: tuple[Callable[[], list[Path]], ...] = (
        lambda: sorted((out / "tables").glob("*")),
        lambda: sorted((out / "figures").glob("*")),
        lambda: sorted((out / "images").glob("*")),
        lambda: sorted((out / "model-index").glob("*")),
    )
    found = [path.relative_to(out).as_posix() for kind in kinds for path in kind()]
    return [f"{name}: no result accounts for this file." for name in found if name not in expected]


def _first_difference(old: str, new: str) -> str:
    pairs = enumerate(zip(old.splitlines(), new.splitlines(), strict=False), start=1)
    for number, (before, after) in pairs:
        if before != after:
            return f"line {number} is {before[:80]!r}, the results give {after[:80]!r}."
    return f"{len(old.splitlines())} lines, the results give {len(new.splitlines())}."


def _drawn(content: Content) -> tuple[figures.Plan, ...]:
    return content.plans if "figures" in content.options.formats else ()


def _seen(content: Content) -> tuple[Gallery, ...]:
    return content.galleries if "html" in content.options.formats else ()


def _files(plan: figures.Plan) -> tuple[str, ...]:
    return tuple(f"figures/{plan.name}.{kind}" for kind in plan.kinds)


def _digests(out: Path) -> dict[str, str]:
    path = out / FIGURES
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is not valid JSON ({error}); delete it and make the report again.") from error
    return found if isinstance(found, dict) else {}


def _once(made: Sequence[Table]) -> tuple[Table, ...]:
    """Tables that do not depend on the dataset come with every dataset; one copy is enough."""
    return tuple({table.key: table for table in made}.values())


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"
