"""Two sets of results against each other: what got worse, what cannot be compared, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from bench.regression.gates import SPEED, Gates, Rule
from bench.regression.numbers import SeedRuns, by_place, different, numbers, random
from bench.regression.verdicts import FAILING, Kind, Place, Verdict
from bench.report import uncertainty
from bench.report.load import Loaded
from bench.report.significance import mean_over_runs
from bench.results.record import Tolerance

if TYPE_CHECKING:
    import numpy as np

Pair = tuple[SeedRuns, SeedRuns]
"""The same number before and now."""


def compare(
    baseline: Sequence[Loaded], current: Sequence[Loaded], gates: Gates, tolerances: Mapping[str, Tolerance]
) -> tuple[Verdict, ...]:
    """A verdict on every row and number of both sets of results, in order of first appearance.

    ``tolerances`` come with the metrics' definitions, by metric name; ``gates`` override them.
    """
    before, after = by_place(baseline), by_place(current)
    verdicts: list[Verdict] = []
    open_cases: list[tuple[int, _Case]] = []
    for place in dict.fromkeys([*before, *after]):
        if place not in after or place not in before:
            verdicts.append(_whole_row(place, "missing" if place not in after else "new", gates))
            continue
        old, new = numbers(before[place]), numbers(after[place])
        for stage, metric in dict.fromkeys([*old, *new]):
            rule = gates.rule(tolerances, place.dataset, place.method, metric)
            both = (old.get((stage, metric)), new.get((stage, metric)))
            everything = (before, after) if metric in SPEED else None
            found = _judge(place, stage, metric, both, rule, gates, everything)
            if isinstance(found, _Case):
                open_cases.append((len(verdicts), found))
                found = found.verdict
            if found is not None:
                verdicts.append(found)
    return tuple(_tested(verdicts, open_cases, gates))


def _whole_row(place: Place, kind: Literal["missing", "new"], gates: Gates) -> Verdict:
    allowed = gates.may(kind, place.method)
    said = {
        "missing": f"{place}: the row is missing in the current results",
        "new": f"{place}: the row is not in the baseline",
    }[kind]
    remedy = "; the gates allow it." if allowed else f"; list it under '{kind}' in the gates if this is meant."
    return Verdict(place, "", "", kind, said + remedy, fails=not allowed)


# One number ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Case:
    """A move beyond what is allowed (or not) whose per-image tests are still to be corrected for their number."""

    verdict: Verdict
    differences: np.ndarray | None
    exceeds: bool


def _judge(
    place: Place,
    stage: str,
    metric: str,
    pair: tuple[SeedRuns | None, SeedRuns | None],
    rule: Rule,
    gates: Gates,
    everything: tuple[Mapping[Place, Any], Mapping[Place, Any]] | None,
) -> Verdict | _Case | None:
    old, new = pair
    if rule.ignore or old is None or not old.values:
        return None
    name = f"{place}: {metric}"
    if new is None or not new.values:
        why = new.reason if new else "the current results do not hold it"
        return Verdict(place, stage, metric, "missing", f"{name} is missing ({why}).", True, old.mean)
    why = random(old, new)
    if everything is not None and not why:
        return speed(place, stage, metric, (old, new), gates, everything)
    why = why or different(old, new)
    if why:
        sentence = f"{name} cannot be compared: {why}."
        return Verdict(place, stage, metric, "incomparable", sentence, False, old.mean, new.mean)
    higher = old.runs[0].measurement.higher_is_better
    if higher is None and not rule.both:
        return Verdict(place, stage, metric, "not gated", f"{name} has no direction.", False, old.mean, new.mean)
    return _moved(place, stage, metric, (old, new), rule, gates, higher)


def _moved(
    place: Place,
    stage: str,
    metric: str,
    pair: Pair,
    rule: Rule,
    gates: Gates,
    higher: bool | None,
) -> _Case:
    old, new = pair
    move = new.mean - old.mean
    wrong = -move if higher else move
    allowed, cause = _allowed(old, new, rule, gates)
    up = "rose" if move > 0 else "fell"
    percent = f", {100 * move / old.mean:+.2g} %" if old.mean else ""
    sizes = (
        f"{up} from {old.mean:.6g} to {new.mean:.6g} ({move:+.3g}{percent})" if move else f"is {new.mean:.6g} as before"
    )
    exceeds = abs(move) > allowed
    kind: Kind = "same"
    if exceeds:
        kind = "changed" if rule.both and (higher is None or wrong < 0) else "worse" if wrong > 0 else "better"
    verdict = Verdict(
        place, stage, metric, kind, f"{place}: {metric} {sizes}", kind in FAILING, old.mean, new.mean, allowed, cause
    )
    differences = _differences(old, new, metric, sign=1 if move >= 0 else -1)
    return _Case(verdict, None if rule.both else differences, exceeds)


def _allowed(old: SeedRuns, new: SeedRuns, rule: Rule, gates: Gates) -> tuple[float, str]:
    """The largest of the tolerances and what it is."""
    noise = uncertainty.seed_noise(old.values, new.values, gates.seed_level, rule.seeds, gates.k)
    seeds = f"{noise.k:.2f} times the seed deviation {noise.deviation:.3g}" if noise else ""
    choices = [
        (rule.absolute or 0.0, "absolute tolerance"),
        ((rule.relative or 0.0) * abs(old.mean), f"{100 * (rule.relative or 0.0):g} % of the baseline"),
        (noise.allowed if noise else 0.0, seeds),
    ]
    return max(choices, key=lambda choice: choice[0])


def _differences(old: SeedRuns, new: SeedRuns, metric: str, sign: int) -> np.ndarray | None:
    """Per-image moves in the direction of ``sign``, averaged over seeds; None without values of the same images."""
    import numpy as np

    before, after = (mean_over_runs([run.images for run in number.runs], metric) for number in (old, new))
    if before is None or after is None or not np.array_equal(before[0], after[0]):
        return None
    return sign * (after[1] - before[1])


def _tested(verdicts: list[Verdict], cases: Sequence[tuple[int, _Case]], gates: Gates) -> list[Verdict]:
    """The verdicts with the per-image tests done, corrected and said; a move that they do not support is none."""
    paired = [(index, case.differences) for index, case in cases if case.differences is not None]
    correct = uncertainty.holm if gates.holm else list
    bootstrap = correct([uncertainty.bootstrap_p(d) for _, d in paired])
    wilcoxon = correct([uncertainty.wilcoxon_p(d) for _, d in paired])
    tests = {index: (*p, len(d)) for (index, d), p in zip(paired, zip(bootstrap, wilcoxon, strict=True), strict=True)}
    for index, case in cases:
        verdicts[index] = _said(case, tests.get(index), gates)
    return verdicts


def _said(case: _Case, tested: tuple[float, float, int] | None, gates: Gates) -> Verdict:
    verdict = case.verdict
    more = "more than" if case.exceeds else "not more than"
    sentence = f"{verdict.sentence}, {more} the allowed {verdict.allowed:.3g} ({verdict.cause})"
    if tested is None:
        return replace(verdict, sentence=sentence + ".")
    bootstrap, wilcoxon, count = tested
    values = {"bootstrap": bootstrap, "wilcoxon": wilcoxon}
    agree = all(values[name] <= gates.level for name in gates.tests)
    verdict = replace(verdict, p_bootstrap=bootstrap, p_wilcoxon=wilcoxon)
    if not case.exceeds:
        return replace(verdict, sentence=sentence + ".")
    said = " and ".join(f"{name} p = {values[name]:.2g}" for name in gates.tests)
    sentence += f"; over {count} images {said} {'support' if agree else 'do not support'} it."
    return (
        replace(verdict, sentence=sentence) if agree else replace(verdict, sentence=sentence, kind="same", fails=False)
    )


def speed(
    place: Place,
    stage: str,
    metric: str,
    pair: Pair,
    gates: Gates,
    everything: tuple[Mapping[Place, Any], Mapping[Place, Any]],
) -> Verdict:
    """Ratios to the reference method of the same run on the same machine; absolute times are never compared."""
    old, new = pair
    ratios = [
        _ratio(place, stage, metric, number, whole, gates) for number, whole in zip(pair, everything, strict=True)
    ]
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
    place: Place, stage: str, metric: str, number: SeedRuns, everything: Mapping[Place, Sequence[Loaded]], gates: Gates
) -> float | str:
    """This method's number over the reference's, or why there is none."""
    pattern = gates.speed.reference
    if pattern is None:
        return "the gates name no reference method for speed"
    for other, results in everything.items():
        same = (other.dataset, other.preset, other.task) == (place.dataset, place.preset, place.task)
        reference = numbers(results).get((stage, metric)) if same and fnmatchcase(other.method, pattern) else None
        if reference and reference.values and reference.mean:
            if _machine(reference) != _machine(number):
                return f"{other.method} was measured on another machine"
            return number.mean / reference.mean
    return f"no reference {pattern} was measured beside it"


def _machine(number: SeedRuns) -> Any:
    return number.runs[0].result.provenance.get("hardware")
