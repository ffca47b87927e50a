"""The policy for speed: ratios to a reference method of the same run on the same machine, never absolute times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from bench.report.gates import Gates
from bench.report.load import Loaded
from bench.report.sides import Side, numbers
from bench.report.verdicts import Place, Verdict


def speed(
    place: Place,
    stage: str,
    metric: str,
    sides: tuple[Side, Side],
    gates: Gates,
    everything: tuple[Mapping[Place, Any], Mapping[Place, Any]],
) -> Verdict:
    """Ratios to the reference method of the same run on the same machine; absolute times are never compared."""
    old, new = sides
    ratios = [_ratio(place, stage, metric, side, whole, gates) for side, whole in zip(sides, everything, strict=True)]
    verdict = Verdict(place, stage, metric, "not gated", "", False, old.mean, new.mean)
    if isinstance(ratios[0], str) or isinstance(ratios[1], str):
        why = next(r for r in ratios if isinstance(r, str))
        return replace(verdict, sentence=f"{place}: {metric} is not gated: {why}.")
    before, after = float(ratios[0]), float(ratios[1])
    higher = bool(old.runs[0].measurement.higher_is_better)
    worse = after < before * (1 - gates.speed.slower) if higher else after > before * (1 + gates.speed.slower)
    sentence = (
        f"{place}: {metric} went from {before:.3g} to {after:.3g} times that of {gates.speed.reference}, "
        f"{'more' if worse else 'not more'} than the allowed {100 * gates.speed.slower:g} % worse (machine-free ratio)."
    )
    return replace(
        verdict, kind="worse" if worse else "same", fails=worse, sentence=sentence, baseline=before, current=after
    )


def _ratio(
    place: Place, stage: str, metric: str, side: Side, everything: Mapping[Place, Sequence[Loaded]], gates: Gates
) -> float | str:
    """This method's number over the reference's, or why there is none."""
    pattern = gates.speed.reference
    if pattern is None:
        return "the gates name no reference method for speed"
    for other, results in everything.items():
        same = (other.dataset, other.preset, other.task) == (place.dataset, place.preset, place.task)
        reference = numbers(results).get((stage, metric)) if same and fnmatchcase(other.method, pattern) else None
        if reference and reference.values and reference.mean:
            if _machine(reference) != _machine(side):
                return f"{other.method} was measured on another machine"
            return side.mean / reference.mean
    return f"no reference {pattern} was measured beside it"


def _machine(side: Side) -> Any:
    return side.runs[0].result.provenance.get("hardware")
