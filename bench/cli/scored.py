"""What ``score`` prints and writes: values as text, as JSON, and one row per image as CSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core.visible import visible
from bench.data.pairing import Rule

if TYPE_CHECKING:
    from bench.data.image_sets import ImageFiles
    from bench.metrics.entries import MetricProtocol
    from bench.metrics.measure import Measured
    from bench.results.record import Measurement

FILE_RATE = "file-bits-per-pixel"
"""The bits of whole image files over their pixels, before any crop."""


def file_rate(files: ImageFiles) -> Measurement | None:
    """The mean over the images of what their files take; None where they are no files of their own."""
    from bench.results.record import Measurement

    if not files.rates:
        return None
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(files.encodings.items()))
    value, count = math.fsum(files.rates) / len(files.rates), len(files.rates)
    signature = {"bits": "whole files", "files": kinds}
    return Measurement(FILE_RATE, value, "bits per pixel", False, count, signature=signature)


def as_rulers(measured: Measured, name: str) -> str:
    """One table of all camps' numbers of pairs."""
    from bench.report import rulers
    from bench.report.writers.text import to_text

    found = {measurement.name: measurement for measurement in measured.measurements}
    return to_text(rulers.rulers([rulers.Measured(Path(name).name, found)]))


def as_text(
    measured: Measured, protocol: MetricProtocol, rule: Rule | None, remarks: Sequence[str], rate: Measurement | None
) -> str:
    """A line for every value, its protocol, and how images were paired."""
    found = [m for m in (*measured.measurements, rate) if m is not None and m.value is not None]
    names = [_label(m, protocol) for m in found]
    width = max((len(name) for name in names), default=0)
    lines = [f"{name:<{width}}  {_arrow(m)} {_number(m)}" for name, m in zip(names, found, strict=True)]
    lines += [f"protocol: {protocol.name} ({protocol.title})"]
    lines += [f"pairs: by {rule}"] if rule is not None else []
    return visible("\n".join(lines))


def absences(measured: Measured) -> list[str]:
    """Why values are absent: each reason once, after the names of all that it is the reason of."""
    absent: dict[str, list[str]] = {}
    for m in measured.measurements:
        if m.reason is not None:
            absent.setdefault(m.reason, []).append(m.name)
    return [f"{', '.join(names)}: {reason}" for reason, names in absent.items()]


def _label(measurement: Measurement, protocol: MetricProtocol) -> str:
    """The name with count and protocol, and with the word where random weights made the number."""
    from bench.metrics.protocols import counted
    from bench.results.record import STAND_IN, stand_ins

    return counted(measurement, protocol) + (f" ({STAND_IN})" if stand_ins([measurement]) else "")


def _arrow(measurement: Measurement) -> str:
    return "↑" if measurement.higher_is_better else "↓"


def _number(measurement: Measurement) -> str:
    text = f"{measurement.value:.6g}"
    if measurement.deviation is not None:
        text += f" ± {measurement.deviation:.3g}"
    return f"{text} {measurement.unit}".rstrip()


def as_json(
    measured: Measured, protocol: MetricProtocol, rule: Rule | None, remarks: Sequence[str], rate: Measurement | None
) -> str:
    """The same with signatures; numbers in full."""
    rows: list[dict[str, Any]] = [
        {**asdict(m), "label": _label(m, protocol) if m.value is not None else m.name} for m in measured.measurements
    ]
    return json.dumps(
        {
            "protocol": asdict(protocol),
            "paired_by": rule,
            "notes": list(remarks),
            FILE_RATE: None if rate is None else asdict(rate),
            "metrics": rows,
        },
        indent=2,
        allow_nan=False,
    )


def write_values(path: Path, candidate: ImageFiles, measured: Measured) -> None:
    """One row per image of the candidate, one column per metric of pairs, and the bits of its file."""
    from bench.core.files import write_file
    from bench.results.record import STAND_IN, stand_ins

    random = {m.name for m in measured.measurements if stand_ins([m])}
    heads = [f"{name} ({STAND_IN})" if name in random else name for name in measured.per_image]
    columns = [values.tolist() for values in measured.per_image.values()]
    if candidate.rates:
        heads, columns = [*heads, FILE_RATE], [*columns, list(candidate.rates)]

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["image", *heads])
            table.writerows(zip(map(visible, candidate.names), *columns, strict=True))

    write_file(path, write)
