"""Which results are seeds of one row: those of equal recipes. Unlike ones are rows of their own, named by what differs.

The recipe is read from what a result says of itself: the changes of its preset, the flags that limit or alter a run,
the method's settings, and the digests of its images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.report.load import Loaded
from bench.results.record import STAGES, Result, stand_ins

FLAGS: Mapping[str, tuple[str, ...]] = {
    "protocol": ("train", "recon", "prior", "sample", "gen"),
    "metric_protocol": ("recon", "gen"),
    "limit": ("train", "recon", "prior", "sample", "gen"),
    "eval_limit": ("recon", "prior", "sample", "gen"),
    "sample_seeds": ("sample", "gen"),
    "channels_last": STAGES,
    "compile": STAGES,
}
"""The flags that make the recipe of a stage, and of which stages; a preset's changes are of all."""

MEASURED = ("train", "recon", "prior", "sample", "gen")
"""The stages that see images."""

Recipe = Mapping[str, str]
"""What was asked for beyond the defaults, by name; a name that is not there was not asked for."""


def apart(results: Sequence[Result]) -> list[Result]:
    """The results, those of unlike recipes under labels that say how they differ; done twice it changes nothing."""
    return [replace(results[i], method=label) for i, label in _labels(results)]


def files_apart(results: Sequence[Loaded]) -> list[Loaded]:
    """:func:`apart` for results with their files."""
    found = _labels([loaded.result for loaded in results])
    return [replace(results[i], result=replace(results[i].result, method=label)) for i, label in found]


def recipe(result: Result) -> dict[str, str]:
    """What decides a result besides its method's label, dataset, preset, task and seed."""
    arguments, stage = result.arguments, result.stage
    found = {f"{key}": value for key, _, value in (text.partition("=") for text in arguments.get("set") or ())}
    for name, stages in FLAGS.items():
        if stage in stages and arguments.get(name):
            found[name.replace("_", "-")] = str(arguments[name])
    data = result.provenance.get("data") or {}
    found.pop("protocol", None)  # a dataset has one of its own, named or not
    if stage in MEASURED and data.get("protocol"):
        found["protocol"] = str(data["protocol"])
    for split in ("train", "val") if stage in MEASURED else ():
        about = data.get(split)
        if about and "digest" in about:
            found[f"{split} images"] = str(about["digest"])[:8]
    return {**found, **dict(_flat(result.settings, ""))}


def _flat(settings: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif name:
            yield f"{prefix}{name}", str(value)


def _labels(results: Sequence[Result]) -> list[tuple[int, str]]:
    """The number of each result that is kept with the label of each row it belongs to, in the order of the results."""
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for i, result in enumerate(results):
        groups.setdefault((result.dataset, result.preset, result.task, result.method), []).append(i)
    found = [pair for members in groups.values() for pair in _labels_of_one(results, members)]
    return sorted(found, key=lambda pair: pair[0])


def _labels_of_one(results: Sequence[Result], members: Sequence[int]) -> list[tuple[int, str]]:
    """The labels within one method's results on one dataset."""
    recipes = {i: recipe(results[i]) for i in members}
    names = _differing(results, recipes)
    rows = list(dict.fromkeys(_said(recipes[i], names) for i in members if _complete(results[i], names)))
    pairs = [
        (i, row) for i in members for row in rows or [()] if _agree(results[i], dict(row), _said(recipes[i], names))
    ]
    return [(i, results[i].method + label) for i, label in _unlike_code(results, pairs)]


def _differing(results: Sequence[Result], recipes: Mapping[int, Recipe]) -> tuple[str, ...]:
    """The names that have several values within one stage."""
    found: dict[str, None] = {}
    for stage in dict.fromkeys(results[i].stage for i in recipes):
        same = [recipes[i] for i in recipes if results[i].stage == stage]
        for name in dict.fromkeys(name for known in same for name in known):
            if len({known.get(name) for known in same}) > 1:
                found[name] = None
    return tuple(found)


def _said(known: Recipe, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, known[name]) for name in names if name in known)


def _complete(result: Result, names: Sequence[str]) -> bool:
    """Whether the result's stage knows every name, so that it makes a row and does not join those of others."""
    return all(_concerns(name, result.stage) for name in names)


def _concerns(name: str, stage: str) -> bool:
    if name.endswith(" images"):
        return stage in MEASURED
    return stage in FLAGS.get(name.replace("-", "_"), STAGES)


def _agree(result: Result, row: Recipe, own: tuple[tuple[str, str], ...]) -> bool:
    """Whether the result belongs to the row: equal in all that concerns its stage."""
    return {n: v for n, v in row.items() if _concerns(n, result.stage)} == dict(own)


def _unlike_code(
    results: Sequence[Result], pairs: Sequence[tuple[int, tuple[tuple[str, str], ...]]]
) -> list[tuple[int, str]]:
    """The labels' ends; results of one recipe, stage and seed are one result, or were made by different code."""
    kept: dict[tuple[Any, ...], dict[str, int]] = {}
    for i, row in pairs:
        result = results[i]
        place = (row, result.stage, result.seed, stand_ins(result.metrics))
        kept.setdefault(place, {}).setdefault(result.key, i)
    found = []
    for (row, *_), by_key in kept.items():
        end = f" ({', '.join(f'{name}={value}' for name, value in row)})" if row else ""
        finished = [i for i in by_key.values() if results[i].status != "failed"]
        for i in by_key.values():
            code = f" ({_code(results[i], [results[k] for k in finished])})" if len(finished) > 1 else ""
            found.append((i, end + code))
    return found


def _code(result: Result, others: Sequence[Result]) -> str:
    """What tells the code of a result from that of the others: the commit, or else the key that names all of it."""
    commits = [str(other.provenance.get("commit", "")) for other in others]
    own = str(result.provenance.get("commit", ""))
    return f"commit {own[:10]}" if own and commits.count(own) == 1 else f"key {result.key[:8]}"
