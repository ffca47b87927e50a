"""One number of one of the compared sets of results: its runs over training seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.regression.verdicts import Place
from bench.report.load import Loaded, Values, read_values
from bench.report.recipes import files_apart
from bench.results.record import Measurement, Result, signature_difference, stand_ins


@dataclass(frozen=True)
class Run:
    """One number of one result, with the result's per-image values."""

    result: Result
    measurement: Measurement
    images: Values


@dataclass(frozen=True)
class SeedRuns:
    """One number: its runs over training seeds."""

    runs: tuple[Run, ...]

    @property
    def values(self) -> list[float]:
        """The numbers that are there, by seed."""
        return [run.measurement.value for run in self.runs if run.measurement.value is not None]

    @property
    def mean(self) -> float:
        """Their mean."""
        return fmean(self.values)

    @property
    def limited(self) -> tuple[str, ...]:
        """The flags that reduced any of the runs."""
        return tuple(sorted({flag for run in self.runs for flag in run.result.limited}))

    @property
    def reason(self) -> str:
        """Why there is no value."""
        reasons = [run.measurement.reason for run in self.runs if run.measurement.reason]
        return reasons[0] if reasons else "the result does not hold it"


Numbers = Mapping[tuple[str, str], SeedRuns]


def by_place(results: Sequence[Loaded]) -> dict[Place, list[Loaded]]:
    """The results of every row; those of unlike recipes are rows of their own."""
    places: dict[Place, list[Loaded]] = {}
    for loaded in files_apart(results):
        r = loaded.result
        places.setdefault(Place(r.dataset, r.preset, r.task, r.method), []).append(loaded)
    return places


def numbers(results: Sequence[Loaded]) -> Numbers:
    """By (stage, metric); a failed stage has none."""
    found: dict[tuple[str, str], list[Run]] = {}
    for loaded in sorted(results, key=lambda item: item.result.seed):
        images = read_values(loaded)
        for measurement in loaded.result.metrics:
            run = Run(loaded.result, measurement, images)
            found.setdefault((loaded.result.stage, measurement.name), []).append(run)
    return {key: SeedRuns(tuple(runs)) for key, runs in found.items()}


def random(old: SeedRuns, new: SeedRuns) -> str:
    """When random weights took part, and which; empty where they never did. Equal ones count as well."""
    for number, when in ((old, "before"), (new, "now")):
        found = stand_ins(run.measurement for run in number.runs)
        if found:
            return f"{when} it was made with random weights in a pretrained network's place ({', '.join(found)})"
    return ""


def different(old: SeedRuns, new: SeedRuns) -> str:
    """In which fields the signatures differ, with both values; empty when none do."""
    if old.limited != new.limited:
        return f"limited by {', '.join(old.limited) or 'nothing'} before, by {', '.join(new.limited) or 'nothing'} now"
    expected = old.runs[0].measurement.signature
    for run in (*old.runs, *new.runs):
        signature = run.measurement.signature
        fields = signature_difference(expected, signature)
        if fields:
            told = (f"'{name}' ({expected.get(name)} before, {signature.get(name)} now)" for name in fields)
            return f"the signatures differ in {', '.join(told)}"
    return ""
