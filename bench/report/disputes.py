"""What several sources print of one tokenizer on one dataset, and the causes of the differences that are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bench.report.causes import CAUSES, NOT_NAMED
from bench.report.copies import Place, Twins, mislabelled
from bench.report.quoted import Quote, QuotedRow, QuotedTable

FIELDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "reference-split": ("reference", ("rfid", "fid")),
    "ssim-range": ("ssim_range", ("ssim",)),
    "ssim-window": ("ssim_window", ("ssim",)),
    "crop": ("crop", ()),
    "rounding": ("rounding", ("psnr", "ssim", "lpips")),
}
"""By cause, the field of a table's protocol that tells it, and the families of metrics that it changes; (): all."""


@dataclass(frozen=True)
class Member:
    """One source's row of a tokenizer, and with which lines of another tokenizer it shares its numbers."""

    table: QuotedTable
    row: QuotedRow
    twins: tuple[Twins, ...] = ()

    def is_copied(self, metric: str) -> bool:
        """Whether the number is one of those that belong to another tokenizer."""
        place: Place = (self.table.dataset, metric)
        return any(place in pair.equal for pair in self.twins)


def members(quoted: Sequence[QuotedTable]) -> dict[tuple[str, str], list[Member]]:
    """By tokenizer and dataset, the rows of all sources; those that one row alone is of are left out."""
    wrong = mislabelled(quoted)
    found: dict[tuple[str, str], list[Member]] = {}
    for table in quoted:
        for row in () if table.superseded or table.dataset is None else table.rows:
            if row.tokenizer is not None and table.dataset is not None:
                member = Member(table, row, wrong.get((table.source, row.tokenizer), ()))
                found.setdefault((row.tokenizer, table.dataset), []).append(member)
    return {key: rows for key, rows in sorted(found.items()) if len(rows) > 1}


def counted(metric: str, found: Sequence[Member]) -> list[Quote]:
    """The numbers that count: those that are not another tokenizer's."""
    return [m.row.values[metric] for m in found if metric in m.row.values and not m.is_copied(metric)]


def half_unit(quote: Quote) -> Decimal:
    """Half a unit of the last digit that the source prints."""
    return Decimal(1).scaleb(int(quote.number.as_tuple().exponent)) / 2


def agree(quotes: Sequence[Quote]) -> bool:
    """Whether all numbers may be roundings of one."""
    low = max(quote.number - half_unit(quote) for quote in quotes)
    return low <= min(quote.number + half_unit(quote) for quote in quotes)


def causes_of(metric: str, found: Sequence[Member]) -> dict[str, str]:
    """All causes that apply to a metric, by code, with a sentence each; empty where the numbers agree."""
    copied = any(member.is_copied(metric) for member in found)
    if not copied and agree(counted(metric, found)):
        return {}
    causes = dict(_known(metric, found))
    for member in found:
        if metric in member.row.suspect:
            causes.setdefault(member.row.suspect[metric][0], CAUSES[member.row.suspect[metric][0]])
    if copied:
        causes["mislabelled"] = CAUSES["mislabelled"]
    if not causes:
        causes["unknown"] = CAUSES["unknown"]
    return {code: causes[code] for code in CAUSES if code in causes}


def _known(metric: str, found: Sequence[Member]) -> Iterator[tuple[str, str]]:
    """What the sources say differently, as cause and sentence."""
    family = metric.partition("-")[0]
    for cause, (field, families) in FIELDS.items():
        said = _by_value((member.table.protocol.get(field), member.table.source) for member in found)
        if (not families or family in families) and len(said) > 1:
            yield cause, _against(CAUSES[cause], said)
    sizes = _by_value((m.table.resolution or "the images' own", m.table.source) for m in found)
    if len(sizes) > 1:
        yield "resolution", _against(CAUSES["resolution"], sizes)
    weights = _by_value((member.row.weights, member.table.source) for member in found)
    if NOT_NAMED in weights or len(weights) > 1:
        yield "weights-not-named", _against(CAUSES["weights-not-named"], weights)


def _by_value(pairs: Iterator[tuple[object, str]]) -> dict[str, list[str]]:
    """The sources by what they say; those that say nothing are left out."""
    found: dict[str, list[str]] = {}
    for value, source in pairs:
        if value is not None and source not in found.setdefault(str(value), []):
            found[str(value)].append(source)
    return {value: sources for value, sources in found.items() if sources}


def _against(title: str, said: Mapping[str, Sequence[str]]) -> str:
    parts = [f"{value} in {' and '.join(sources)}" for value, sources in said.items()]
    return f"{title} ({'; '.join(parts)})"
