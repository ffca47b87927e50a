"""Published numbers as data: the files of ``results/quoted``, read and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.core import documents
from bench.errors import UsageError
from bench.report.causes import CAUSES
from bench.report.columns import QUOTED, ColumnSpec
from bench.results.record import STRICT

QUOTED_FOLDER = Path(__file__).resolve().parents[2] / "results" / "quoted"
"""Published numbers, in a checkout of this project; elsewhere they are named with --quoted or left away."""

QUOTED_SCHEMA = 1
CONFIDENCE = {
    "source": "read in the source",
    "copy": "read through a copy",
    "measured": "measured on the official code, not published",
}
REASONS = {
    "reference": "another reference set",
    "split": "another split",
    "crop": "another crop",
    "resize": "another resize",
    "count": "another number of images",
    "lpips-network": "another LPIPS network",
    "weights": "other weights",
    "budget": "another training budget",
    "counting": "another way of counting",
    "library": "another release of a library",
    "unknown": "the cause is not known",
}
"""Why a measurement differs from a published number; nothing else may be given as a reason."""


@dataclass(frozen=True)
class Quote:
    """One published number as the source prints it; ``spread`` is what stands there after ±."""

    number: Decimal
    spread: Decimal | None = None

    @property
    def value(self) -> float:
        """The number."""
        return float(self.number)

    def text(self, millions: bool) -> str:
        """The number with the digits that the source gives, in millions (``42.5M``) if asked."""
        parts = [n for n in (self.number, self.spread) if n is not None]
        return " ± ".join(f"{n.scaleb(-6):f}M" if millions and n else f"{n:f}" for n in parts)


@dataclass(frozen=True)
class QuotedRow:
    """``bench`` is the corresponding method of this harness, with its variant where ``code`` does not name it.

    ``differs`` maps a metric to (reason, explanation). ``tokenizer`` is one name for what several sources print
    numbers of, ``weights`` the file as the source names it; ``suspect`` maps a metric to the likely (cause,
    explanation) of a value that other sources contradict.
    """

    method: str
    values: Mapping[str, Quote]
    code: str | None = None
    bench: str | None = None
    notes: tuple[str, ...] = ()
    differs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    tokenizer: str | None = None
    weights: str | None = None
    suspect: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The source's name for the method, with the shape of the codes where it matters."""
        return f"{self.method} {self.code.replace('x', '×')}" if self.code else self.method


@dataclass(frozen=True)
class QuotedTable:
    """One table of one source; see ``results/quoted/README.md``."""

    source: str
    citation: Mapping[str, Any]
    id: str
    where: str
    kind: str
    dataset: str | None
    resolution: int | None
    confidence: str
    rows: tuple[QuotedRow, ...]
    protocol: Mapping[str, Any] = field(default_factory=dict)
    through: str | None = None
    notes: tuple[str, ...] = ()
    superseded: bool = False

    @property
    def reference(self) -> str:
        """The citation as one footnote: what, where, how sure, under which protocol."""
        about = self.citation
        who = ", ".join(str(part) for part in (about["authors"], about["year"]) if part)
        sure = CONFIDENCE[self.confidence] + (f" ({self.through})" if self.through else "")
        known = "; ".join(f"{name.replace('_', ' ')}: {value or 'not said'}" for name, value in self.protocol.items())
        return f"Quoted from {about['title']}{f' ({who})' if who else ''}, {self.where}, {about['url']}; {sure}." + (
            f" Protocol: {known}." if known else ""
        )


@dataclass(frozen=True)
class _Citation:
    __pydantic_config__ = STRICT

    title: str
    url: str
    authors: str | None
    year: int | None


@dataclass(frozen=True)
class _Number:
    __pydantic_config__ = STRICT

    value: float
    spread: float


@dataclass(frozen=True)
class _RowAsRead:
    __pydantic_config__ = STRICT

    method: str
    values: Mapping[str, float | _Number]
    code: str | None = None
    bench: str | None = None
    notes: tuple[str, ...] = ()
    differs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    tokenizer: str | None = None
    weights: str | None = None
    suspect: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _TableAsRead:
    __pydantic_config__ = STRICT

    id: str
    where: str
    kind: str
    dataset: str | None
    resolution: int | None
    confidence: str
    rows: tuple[_RowAsRead, ...]
    protocol: Mapping[str, str | int | float | None] = field(default_factory=dict)
    through: str | None = None
    notes: tuple[str, ...] = ()
    superseded: bool = False


@dataclass(frozen=True)
class _FileAsRead:
    __pydantic_config__ = STRICT

    schema: int
    source: str
    citation: _Citation
    tables: tuple[_TableAsRead, ...]


def load_quoted(folder: Path) -> tuple[QuotedTable, ...]:
    """All tables of the files in ``folder``, sorted by file name, or of one file.

    Raises :class:`UsageError` that names the file when the folder or a field is missing or has an unknown value.
    """
    files = [folder] if folder.is_file() else sorted(folder.glob("*.json"))
    if not files:
        raise UsageError(f"There are no published numbers in {folder}; name a file or folder of them with --quoted.")
    return tuple(table for file in files for table in _read(file))


def _read(file: Path) -> list[QuotedTable]:
    """The tables of a file; its numbers keep the digits that they are written with."""
    door = documents.Door(str(file), "mend it as results/quoted/README.md says")
    text = documents.read(file, door, documents.LARGEST_BY_HAND)
    checked: _FileAsRead = documents.check(_FileAsRead, documents.from_json(text, door), door)
    if checked.schema != QUOTED_SCHEMA:
        raise UsageError(f"{file} has schema {checked.schema}; this program knows {QUOTED_SCHEMA}.")
    raw = json.loads(text, parse_float=Decimal)
    made = [_table(raw, table) for table in raw["tables"]]
    for table in made:
        _check(table, file)
    return made


def _table(raw: Mapping[str, Any], table: Mapping[str, Any]) -> QuotedTable:
    told = {key: table[key] for key in table if key not in ("rows", "notes")}
    rows = tuple(_row(row) for row in table["rows"])
    return QuotedTable(raw["source"], raw["citation"], rows=rows, notes=tuple(table.get("notes", ())), **told)


def _row(raw: Mapping[str, Any]) -> QuotedRow:
    values = {k: _quote(v) for k, v in raw["values"].items()}
    differs, suspect = ({k: (v[0], v[1]) for k, v in raw.get(name, {}).items()} for name in ("differs", "suspect"))
    code, bench, tokenizer, weights = (raw.get(name) for name in ("code", "bench", "tokenizer", "weights"))
    notes = tuple(raw.get("notes", ()))
    return QuotedRow(raw["method"], values, code, bench, notes, differs, tokenizer, weights, suspect)


def _quote(raw: Any) -> Quote:
    return Quote(Decimal(raw["value"]), Decimal(raw["spread"])) if isinstance(raw, dict) else Quote(Decimal(raw))


def _check(table: QuotedTable, file: Path) -> None:
    if table.confidence not in CONFIDENCE:
        raise UsageError(f"{file}: '{table.confidence}' is no confidence; use one of {', '.join(CONFIDENCE)}.")
    if table.kind not in QUOTED:
        raise UsageError(f"{file}: '{table.kind}' is no kind of table; use one of {', '.join(QUOTED)}.")
    for row in table.rows:
        if row.code is not None and not re.fullmatch(r"\d{1,6}(x\d{1,6})*", row.code):
            raise UsageError(f"{file}: '{row.code}' is no shape of codes; write for example 16x16x4.")
        for reason, _ in row.differs.values():
            if reason not in REASONS:
                raise UsageError(f"{file}: '{reason}' is no reason; use one of {', '.join(REASONS)}.")
        for cause, _ in row.suspect.values():
            if cause not in CAUSES:
                raise UsageError(f"{file}: '{cause}' is no cause; use one of {', '.join(CAUSES)}.")
        if (row.tokenizer is None) != (row.weights is None):
            raise UsageError(f"{file}: {row.method} names a tokenizer or its weights; say both, or 'not named'.")
        unknown = [name for name in row.values if not _spec(table.kind, name)]
        if unknown:
            raise UsageError(f"{file}: no column of '{table.kind}' is called '{unknown[0]}'.")


def _spec(kind: str, name: str) -> ColumnSpec | None:
    return next((spec for spec in QUOTED[kind].columns if spec.matches([name])), None)


def quoted_tables() -> tuple[QuotedTable, ...]:
    """Published figures, in a checkout of this project; elsewhere the tables stand without them."""
    return tuple(load_quoted(QUOTED_FOLDER)) if QUOTED_FOLDER.is_dir() else ()
