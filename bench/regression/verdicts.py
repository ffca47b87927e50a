"""Verdicts on numbers: what they say, as Markdown, JSON and JUnit XML, and the exit code that they mean."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal
from xml.etree import ElementTree

from bench.core.visible import visible
from bench.errors import GateFailed, NotComparable
from bench.report.writers.text import escape_markdown

Kind = Literal["same", "better", "worse", "changed", "missing", "new", "incomparable", "not gated"]
FAILING = ("worse", "changed", "missing", "new")


@dataclass(frozen=True)
class Place:
    """A row of the benchmark."""

    dataset: str
    preset: str
    task: str | None
    method: str

    def __str__(self) -> str:
        return f"{self.method} on {self.dataset}, {self.preset}{f', {self.task}' if self.task else ''}"


@dataclass(frozen=True)
class Verdict:
    """What became of one number (or of a whole row: ``metric`` is then empty), and why, in one sentence.

    ``allowed`` is the largest move that passes, ``cause`` which of the tolerances that is. ``p_bootstrap`` and
    ``p_wilcoxon`` are one-sided, in the direction of the move, Holm-corrected where the gates say so.
    """

    place: Place
    stage: str
    metric: str
    kind: Kind
    sentence: str
    fails: bool = False
    baseline: float | None = None
    current: float | None = None
    allowed: float | None = None
    cause: str = ""
    p_bootstrap: float | None = None
    p_wilcoxon: float | None = None


ORDER: tuple[Kind, ...] = ("incomparable", "worse", "changed", "missing", "new", "better", "not gated", "same")


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """4 when a number cannot be compared, else 1 when one fails, else 0."""
    if any(v.kind == "incomparable" for v in verdicts):
        return NotComparable.exit_code
    return GateFailed.exit_code if any(v.fails for v in verdicts) else 0


def headline(verdicts: Sequence[Verdict]) -> str:
    """The outcome in one line."""
    counts = Counter(v.kind for v in verdicts)
    told = ", ".join(f"{counts[kind]} {kind}" for kind in ORDER if counts[kind])
    said = {0: "No regression", 1: "Regression", 4: "Not comparable"}[exit_code(verdicts)]
    return f"{said}: {told or 'nothing to compare'}."


def to_markdown(verdicts: Sequence[Verdict]) -> str:
    """The outcome, then every sentence by kind; numbers that stayed the same are only counted."""
    lines = [f"**{escape_markdown(headline(verdicts))}**", ""]
    for kind in ORDER[:-1]:
        members = [v for v in verdicts if v.kind == kind]
        if members:
            lines += [f"### {kind}", ""]
            lines += [
                f"- {'❌ ' if v.fails or kind == 'incomparable' else ''}{escape_markdown(v.sentence)}" for v in members
            ]
            lines.append("")
    return visible("\n".join(lines))


def to_json(verdicts: Sequence[Verdict]) -> str:
    """Every verdict with its numbers."""
    data = {"exit_code": exit_code(verdicts), "headline": headline(verdicts), "verdicts": [asdict(v) for v in verdicts]}
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def to_junit(verdicts: Sequence[Verdict]) -> str:
    """JUnit XML: a test case per verdict; what fails is a failure, what cannot be compared an error."""
    errors = [v for v in verdicts if v.kind == "incomparable"]
    skipped = [v for v in verdicts if v.kind == "not gated"]
    suite = ElementTree.Element(
        "testsuite",
        name="bench compare",
        tests=str(len(verdicts)),
        failures=str(sum(v.fails for v in verdicts)),
        errors=str(len(errors)),
        skipped=str(len(skipped)),
    )
    for verdict in verdicts:
        name = " ".join(part for part in (verdict.stage, verdict.metric) if part) or "row"
        case = ElementTree.SubElement(suite, "testcase", classname=_xml(str(verdict.place)), name=_xml(name))
        kind = "error" if verdict in errors else "failure" if verdict.fails else "skipped" if verdict in skipped else ""
        if kind:
            ElementTree.SubElement(case, kind, message=_xml(verdict.sentence))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Text without the characters that XML 1.0 cannot say or that a terminal would obey."""
    return visible(text)
