"""Quoted rows that share their numbers: copies of one another, slips of data entry, or rows under a wrong name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from bench.report.quoted import QuotedTable

ENOUGH = 3
"""So many equal numbers are no accident."""
NEAR = Decimal("0.01")
"""Relative difference up to which a number nearly equals another one."""

Place = tuple[str | None, str]
"""A dataset and a metric."""


@dataclass(frozen=True)
class Line:
    """All numbers that one source prints of one method, over its tables."""

    source: str
    method: str
    tokenizer: str | None
    numbers: Mapping[Place, Decimal]

    @property
    def name(self) -> str:
        """Source and method."""
        return f"{self.source}: {self.method}"


@dataclass(frozen=True)
class Twins:
    """Two lines and the places in which they print the same number, or nearly the same one."""

    one: Line
    other: Line
    equal: tuple[Place, ...]
    near: tuple[Place, ...] = ()


def lines(quoted: Sequence[QuotedTable]) -> list[Line]:
    """One line for each source and method; rows that were superseded take no part."""
    found: dict[tuple[str, str], dict[Place, Decimal]] = {}
    names: dict[tuple[str, str], str | None] = {}
    for table in quoted:
        for row in () if table.superseded else table.rows:
            key = table.source, row.label
            names[key] = row.tokenizer or names.get(key)
            numbers = {(table.dataset, metric): quote.number for metric, quote in row.values.items()}
            found.setdefault(key, {}).update(numbers)
    return [Line(source, method, names[source, method], numbers) for (source, method), numbers in found.items()]


def twins(quoted: Sequence[QuotedTable]) -> list[Twins]:
    """Pairs of lines that agree in three numbers or more, or nearly agree in all of three or more that they share."""
    made = []
    for one, other in combinations(lines(quoted), 2):
        shared = [place for place in one.numbers if place in other.numbers]
        equal = tuple(place for place in shared if one.numbers[place] == other.numbers[place])
        near = tuple(place for place in shared if _near(one.numbers[place], other.numbers[place]))
        if len(equal) >= ENOUGH or (len(near) >= ENOUGH and len(near) == len(shared)):
            made.append(Twins(one, other, equal, near))
    return made


def _near(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= NEAR * max(abs(one), abs(other))


def mislabelled(quoted: Sequence[QuotedTable]) -> dict[tuple[str, str], tuple[Twins, ...]]:
    """By source and tokenizer, the lines whose numbers are another tokenizer's.

    Of two lines of different tokenizers that are equal in three numbers, the one is meant whose numbers fewer other
    sources print under its tokenizer; both where that does not tell.
    """
    known = lines(quoted)
    found: dict[tuple[str, str], tuple[Twins, ...]] = {}
    for pair in twins(quoted):
        names = pair.one.tokenizer, pair.other.tokenizer
        if None in names or names[0] == names[1] or len(pair.equal) < ENOUGH:
            continue
        one, other = (_support(line, pair.equal, known) for line in (pair.one, pair.other))
        accused = [*([pair.one] if one <= other else []), *([pair.other] if other <= one else [])]
        for line in accused:
            if line.tokenizer is not None:
                key = line.source, line.tokenizer
                found[key] = (*found.get(key, ()), pair)
    return found


def _support(line: Line, places: Sequence[Place], known: Sequence[Line]) -> int:
    """How many other sources print one of these numbers or more under the same tokenizer."""
    return len(
        {
            other.source
            for other in known
            if other.source != line.source and other.tokenizer == line.tokenizer
            if any(other.numbers.get(place) == line.numbers[place] for place in places)
        }
    )
