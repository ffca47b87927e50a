"""Published, ours, difference: measured numbers beside those that papers print for the same configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bench.report.columns import QUOTED
from bench.report.numbers import exactly, signed
from bench.report.quoted import REASONS, Quote, QuotedRow, QuotedTable
from bench.report.rows import RowResults, name_of, rows_of
from bench.report.stand_ins import apart, is_apart
from bench.report.table import Cell, Column, Notes, Row, Source, Table
from bench.report.tables import cell_of, column_of
from bench.results.record import Measurement, Result

COLUMNS = (
    Column("published", "published", exactly),
    Column("ours", "ours", exactly),
    Column("difference", "ours − published", exactly),
)
EQUIVALENT: Mapping[str, tuple[str, ...]] = {"lpips": ("lpips-alex", "lpips-vgg"), "rfid": ("rfid", "fid")}
"""Which of our measurements a published one may be held against, where the names are not equal."""

PUBLISHED_WEIGHTS = re.compile(r"@[^/\\:]+(?=:|$)")
"""In a label: ``@name``. ``@path/to/run`` are the weights of one's own run."""

LIBRARY = "library"
"""The fact by which a codec of a library is told: its files follow from its options, whatever the preset."""

PARAMETERS = ("decoder-parameters", "decoder-grid-parameters", "encoder-parameters", "codebook-parameters")
OPERATIONS = ("decoder-gmac", "decoder-gmac-fvcore", "encoder-gmac", "encoder-gmac-fvcore")
COMPARED = ("decoder-parameters", "decoder-grid-parameters", "decoder-gmac-fvcore")
"""What papers print; their "GFlops" are fvcore's total, in 10^9 multiply-accumulates."""
PUBLISHED = "published "


def against_published(results: Sequence[Result], quoted: Sequence[QuotedTable]) -> tuple[Table, ...]:
    """One table per dataset and preset that has both; one row per method and metric.

    Only results in the published configuration take part: preset ``paper``, published weights, or a codec of a library,
    which its options alone configure; and no stand-ins.
    Where the numbers differ by more than the published rounding, a footnote gives a reason of
    :data:`bench.report.quoted.REASONS`.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in apart(results):
        if is_apart(result.method):
            continue
        if result.preset == "paper" or PUBLISHED_WEIGHTS.search(result.method) or LIBRARY in result.facts:
            groups.setdefault((result.dataset, result.preset), []).append(result)
    made = (_table(dataset, preset, rows_of(members), quoted) for (dataset, preset), members in groups.items())
    return tuple(table for table in made if table.rows)


def _table(dataset: str, preset: str, rows: Sequence[RowResults], quoted: Sequence[QuotedTable]) -> Table:
    notes = Notes()
    made = [
        _row(row, name, quote, (table, quoted_row), notes)
        for row in rows
        for table in quoted
        if not table.superseded and table.dataset in (dataset, None)
        for quoted_row in table.rows
        if corresponds(row, quoted_row)
        for name, quote in quoted_row.values.items()
    ]
    kept = tuple(row for row in made if row is not None)
    return Table("published", "Published and measured", dataset, preset, COLUMNS, kept, notes.texts())


def corresponds(row: RowResults, quoted: QuotedRow) -> bool:
    """Whether a measured row is of the quoted method and, where the source gives it, of the quoted code size."""
    name, _, variant = (quoted.bench or "").partition(":")
    if name_of(row.method) != name:
        return False
    if variant:
        return _is_variant(row, variant)
    if quoted.code is None or _is_variant(row, quoted.code):
        return True
    sizes = sorted(int(size) for size in quoted.code.split("x"))
    shapes = [r.facts["code_shape"] for results in row.stages.values() for r in results if r.facts.get("code_shape")]
    return any(sorted(shape) == sizes for shape in shapes)


def _is_variant(row: RowResults, variant: str) -> bool:
    """Whether the row's label, or its fact ``variant`` where the label names none, is of the variant."""
    if re.search(rf":{re.escape(variant)}(?=[@:]|$)", row.method):
        return True
    return any(result.facts.get("variant") == variant for results in row.stages.values() for result in results)


def _row(row: RowResults, name: str, quote: Quote, origin: tuple[QuotedTable, QuotedRow], notes: Notes) -> Row | None:
    """A metric's row, or None where we have no such number."""
    table = origin[0]
    for spec in QUOTED[table.kind].columns:
        for own in EQUIVALENT.get(name, (name,)):
            if spec.matches([own]) and (sources := row.sources(spec, own)):
                ours = cell_of(column_of(spec, own, sources), sources, notes, "") if _present(sources) else None
                return _compared(row, spec.heading(own), quote, ours, origin, notes) if ours else None
    return None


def _present(sources: Sequence[Source]) -> bool:
    return any(s.measurement.value is not None for s in sources)


def _compared(
    row: RowResults, heading: str, quote: Quote, ours: Cell, origin: tuple[QuotedTable, QuotedRow], notes: Notes
) -> Row:
    table, quoted = origin
    millions = heading.endswith("parameters")
    published = Cell(quote.value, text=quote.text(millions), notes=(notes.add(table.reference),))
    difference = (ours.value or 0.0) - quote.value
    rounding = float(Decimal(1).scaleb(int(quote.number.as_tuple().exponent))) / 2
    why: tuple[int, ...] = ()
    if abs(difference) > rounding * (1 + 1e-9):
        name = next(k for k, v in quoted.values.items() if v is quote)
        why = (notes.add(reason(name, table, quoted, row, ours.sources[0].measurement)),)
    shown = f"{signed(3)(difference / 1e6)}M" if millions else signed(_decimals(quote))(difference)
    return Row(
        f"{row.method} · {heading}", quoted.label, row.seeds, (published, ours, Cell(difference, text=shown, notes=why))
    )


def _decimals(quote: Quote) -> int:
    return max(0, -int(quote.number.as_tuple().exponent))


def reason(name: str, table: QuotedTable, quoted: QuotedRow, row: RowResults, ours: Measurement) -> str:
    """The footnote that says why a number differs: a known reason, or what can be told from the protocols."""
    if name in quoted.differs:
        code, text = quoted.differs[name]
        return f"Differs ({code}: {REASONS[code]}). {text}"
    found = [code for code in REASONS if _applies(code, name, table, row, ours)] or ["unknown"]
    return f"Differs. Reasons to be weighed: {'; '.join(f'{code} ({REASONS[code]})' for code in found)}."


def _applies(code: str, name: str, table: QuotedTable, row: RowResults, ours: Measurement) -> bool:
    protocol = table.protocol
    if code == "counting":
        return table.kind == "cost"
    if table.kind == "cost":
        return False
    if code in ("weights", "budget"):
        return "@" not in row.method
    if code == "lpips-network":
        return name == "lpips" or (name.startswith("lpips-") and name != ours.name)
    if code == "count":
        return protocol.get("count") is not None and ours.n != protocol["count"]
    return code in ("reference", "split", "crop", "resize") and protocol.get(code, "") is None


@dataclass(frozen=True)
class Published:
    """A number as its source prints it, and what must be said of it."""

    value: float
    text: str
    notes: tuple[str, ...]


def published(variants: Mapping[str, str | None], quoted: Sequence[QuotedTable]) -> dict[str, dict[str, Published]]:
    """By label and name, what is published of each method's cost; ``variants`` maps the labels to their variants.

    A number of a paper goes before one that was measured on its official code.
    """
    tables = sorted((t for t in quoted if t.kind == "cost" and not t.superseded), key=_second_hand)
    results = [
        Result("cost", "ok", label, label, "", "paper", 0, "", facts={"variant": variant})
        for label, variant in variants.items()
    ]
    found: dict[str, dict[str, Published]] = {label: {} for label in variants}
    for row in rows_of(results):
        for table in tables:
            for quoted_row in (q for q in table.rows if corresponds(row, q)):
                for name, number in _numbers(table, quoted_row).items():
                    found[row.method].setdefault(name, number)
    return found


def _second_hand(table: QuotedTable) -> bool:
    return table.confidence == "measured"


def _numbers(table: QuotedTable, row: QuotedRow) -> dict[str, Published]:
    about = (table.reference, *row.notes)
    reasons = {name: text for name, (_, text) in row.differs.items()}
    return {
        name: Published(
            quote.value, quote.text(name in PARAMETERS), (*about, *((reasons[name],) if name in reasons else ()))
        )
        for name, quote in row.values.items()
    }


def table(
    counted: Mapping[str, Sequence[Measurement]], preset: str, quoted: Mapping[str, Mapping[str, Published]]
) -> Table:
    """One row per method: what was counted, and beside it what was published; nothing is ranked."""
    notes = Notes()
    compared = {name for numbers in quoted.values() for name in numbers} & set(COMPARED)
    columns = tuple(column for name in (*PARAMETERS, *OPERATIONS) for column in _columns(name, name in compared))
    rows = []
    for label, measurements in counted.items():
        own = {m.name: m for m in measurements}
        cells = tuple(_cell(column, own, quoted.get(label, {}), notes) for column in columns)
        rows.append(Row(label, label, (), cells))
    return Table("cost", "Cost of encoders and decoders, one image", "", preset, columns, tuple(rows), notes.texts())


def _columns(name: str, beside: bool) -> tuple[Column, ...]:
    show, unit = (_millions, "M") if name in PARAMETERS else (_giga, "G")
    own = Column(name, name.replace("-", " "), show, unit=unit)
    return (own, Column(PUBLISHED + name, PUBLISHED.strip(), show)) if beside else (own,)


def _cell(column: Column, own: Mapping[str, Measurement], quoted: Mapping[str, Published], notes: Notes) -> Cell:
    if column.name.startswith(PUBLISHED):
        number = quoted.get(column.name.removeprefix(PUBLISHED))
        return Cell(number.value, text=number.text, notes=tuple(map(notes.add, number.notes))) if number else Cell()
    measurement = own.get(column.name)
    if measurement is None or measurement.value is None:
        reason = measurement.reason if measurement else None
        return Cell(notes=(notes.add(reason),) if reason else ())
    return Cell(measurement.value, text=column.show(measurement.value))


def _millions(value: float) -> str:
    return f"{value / 1e6:.3f}"


def _giga(value: float) -> str:
    return f"{value:.3f}"
