"""Who contradicts whom: what sources print of the same tokenizer on the same dataset, how far apart, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from bench.errors import UsageError
from bench.report.causes import CAUSES
from bench.report.copies import Twins
from bench.report.disputes import Member, causes_of, counted, half_unit, members
from bench.report.literature import quoted_cell, quoted_columns
from bench.report.numbers import exactly
from bench.report.published import PUBLISHED_WEIGHTS, corresponds
from bench.report.quoted import Quote, QuotedTable
from bench.report.rows import RowResults, rows_of
from bench.report.stand_ins import apart, is_apart
from bench.report.table import Cell, Column, Notes, Row, Source, Table
from bench.results.record import Result

SUMMARY = (
    Column("values", "values", exactly),
    Column("lowest", "lowest", exactly),
    Column("highest", "highest", exactly),
    Column("spread", "spread", exactly),
    Column("causes", "causes", exactly),
)
REMARK = (
    "A cause is given where the sources' protocols are known to differ in it, or where one number is suspect; what a "
    "source does not say counts for nothing. The spread leaves mislabelled numbers out. Nothing is ranked."
)
ALONE = "Each value stands under its source's own protocol. Nothing is ranked."


def contradictions(
    quoted: Sequence[QuotedTable], results: Sequence[Result], dataset: str | None = None
) -> tuple[Table, ...]:
    """Two tables per dataset, of every tokenizer with two or more published rows: spread and causes; the values, ours.

    Of ``results`` those in the published configuration stand beside them, with a word on which published value each
    of them reproduces. Raises :class:`UsageError` where nothing is published twice on the ``dataset``.
    """
    groups = members(quoted)
    known = sorted({name for _, name in groups})
    if not known or (dataset is not None and dataset not in known):
        where = "" if dataset is None else f" on '{dataset}'"
        there = f"; there is: {', '.join(known)}" if known else ""
        raise UsageError(f"No tokenizer is quoted from two sources{where}{there}.")
    measured = [row for row in rows_of(apart(results)) if _is_published_configuration(row)]
    made = []
    for name in known if dataset is None else [dataset]:
        own = {key[0]: rows for key, rows in groups.items() if key[1] == name}
        made += [_summary(name, own), _values(name, own, measured)]
    return tuple(made)


def _is_published_configuration(row: RowResults) -> bool:
    """Whether the row is the paper's preset or published weights, and real."""
    presets = {result.preset for results in row.stages.values() for result in results}
    return not is_apart(row.method) and ("paper" in presets or PUBLISHED_WEIGHTS.search(row.method) is not None)


def _columns(groups: Mapping[str, Sequence[Member]]) -> tuple[Column, ...]:
    """The metrics that the sources print."""
    return quoted_columns("recon", [member.row for rows in groups.values() for member in rows])


def _summary(dataset: str, groups: Mapping[str, Sequence[Member]]) -> Table:
    """A row for each tokenizer and metric that two sources print."""
    notes = Notes()
    rows = []
    for tokenizer, found in groups.items():
        for column in _columns(groups):
            quotes = counted(column.name, found)
            printed = [member for member in found if column.name in member.row.values]
            if len(printed) > 1:
                cells = (*_extent(len(printed), quotes), _causes(column.name, printed, notes))
                rows.append(Row(f"{tokenizer} · {column.title}", tokenizer, (), cells, (), tokenizer))
    title = "Contradictions in print"
    return Table("contradictions", title, dataset, "published", SUMMARY, tuple(rows), notes.texts(), remark=REMARK)


def _values(dataset: str, groups: Mapping[str, Sequence[Member]], measured: Sequence[RowResults]) -> Table:
    """A row for each source, and for each of our numbers."""
    notes = Notes()
    columns = _columns(groups)
    rows = [row for name, found in groups.items() for row in _rows(name, found, columns, measured, dataset, notes)]
    title = "Values in print"
    return Table("printed-values", title, dataset, "published", columns, tuple(rows), notes.texts(), remark=ALONE)


def _rows(
    tokenizer: str,
    found: Sequence[Member],
    columns: Sequence[Column],
    measured: Sequence[RowResults],
    dataset: str,
    notes: Notes,
) -> Iterator[Row]:
    for member in found:
        about = (
            notes.add(" ".join((member.table.reference, *member.table.notes))),
            notes.add(f"Weights: {member.row.weights}."),
            *(notes.add(_accusation(pair, member)) for pair in member.twins),
            *map(notes.add, member.row.notes),
        )
        cells = tuple(_published(column.name, member, notes) for column in columns)
        yield Row(f"{tokenizer} · {_place(member, found)}", member.row.method, (), cells, about, tokenizer)
    for row in measured:
        if any(corresponds(row, member.row) for member in found):
            yield from _ours(tokenizer, row, dataset, found, columns, notes)


def _place(member: Member, found: Sequence[Member]) -> str:
    """The source, with as much of the table's name and the row's as tells it from the group's other rows."""
    table = member.table
    beside = [other for other in found if other.table.source == table.source and other is not member]
    part = table.id.removeprefix("reconstruction-").partition("-")[2]
    names = [table.source, *([part] if part and beside else [])]
    alone = all(other.table.id != table.id for other in beside)
    return " ".join(names) + ("" if alone else f": {member.row.method}")


def _accusation(pair: Twins, member: Member) -> str:
    other = pair.other if pair.one.source == member.table.source else pair.one
    line = pair.one if other is pair.other else pair.other
    said = ", ".join(f"{metric} {line.numbers[name, metric]:f} on {name}" for name, metric in pair.equal)
    return f"Mislabelled: {len(pair.equal)} numbers are those of {other.tokenizer} in {other.source} ({said})."


def _published(metric: str, member: Member, notes: Notes) -> Cell:
    if metric not in member.row.values:
        return Cell()
    marks = [notes.add(f"mislabelled: {CAUSES['mislabelled']}.")] if member.is_copied(metric) else []
    if metric in member.row.suspect:
        cause, text = member.row.suspect[metric]
        marks.append(notes.add(f"{cause}, likely: {text}"))
    return quoted_cell(member.row.values[metric], metric, comparable=False, notes=tuple(marks))


# Spread and causes ------------------------------------------------------------------------------------------------


def _causes(metric: str, found: Sequence[Member], notes: Notes) -> Cell:
    """The codes of all causes that apply to a metric, each explained in a footnote."""
    causes = causes_of(metric, found)
    texts = tuple(notes.add(f"{code}: {text}.") for code, text in causes.items())
    return Cell(text=", ".join(causes) or "agree", notes=texts)


def _extent(count: int, quotes: Sequence[Quote]) -> tuple[Cell, ...]:
    """How many values there are, the lowest, the highest and their difference."""
    cells = [Cell(count, text=f"{count}")]
    if len(quotes) < 2:
        return (*cells, Cell(), Cell(), Cell())
    low, high = min(quote.number for quote in quotes), max(quote.number for quote in quotes)
    return (*cells, *(Cell(float(number), text=f"{number:f}") for number in (low, high, high - low)))


# What was measured here ---------------------------------------------------------------------------------------------


def _ours(
    tokenizer: str,
    row: RowResults,
    dataset: str,
    found: Sequence[Member],
    columns: Sequence[Column],
    notes: Notes,
) -> Iterator[Row]:
    """A row for each of our numbers, in the column of its family, with the published values that it reproduces."""
    for result in row.stages.get("recon", ()):
        for measurement in result.metrics if result.dataset == dataset else ():
            column = _column(measurement.name, columns)
            if column is None or measurement.value is None:
                continue
            value = measurement.value
            note = notes.add(_reproduced(Decimal(repr(value)), columns[column].name, found))
            cell = Cell(value, text=f"{value:.4g}", notes=(note,), sources=(Source(result, measurement),))
            cells = tuple(cell if index == column else Cell() for index in range(len(columns)))
            label = f"{tokenizer} · ours, {measurement.name}"
            yield Row(label, row.title, (result.seed,), cells, (notes.add(f"Measured: {row.method}."),), tokenizer)


def _column(name: str, columns: Sequence[Column]) -> int | None:
    """The column for one of our metrics: its own, or that of the metric of which it is another convention."""
    names = [column.name for column in columns]
    if name in ("psnr-over-downsample", "ms-ssim"):
        return None
    for candidate in (name, "rfid" if name == "fid" else name, name.partition("-")[0]):
        if candidate in names:
            return names.index(candidate)
    return next((i for i, known in enumerate(names) if name.startswith(f"{known}-")), None)


def _reproduced(value: Decimal, metric: str, found: Sequence[Member]) -> str:
    matching = [
        f"{member.row.values[metric].number:f} of {member.table.source}, {member.table.where}"
        for member in found
        if metric in member.row.values
        and abs(member.row.values[metric].number - value) <= half_unit(member.row.values[metric])
    ]
    return f"Reproduces {' and '.join(matching)}." if matching else "Reproduces no published value."
