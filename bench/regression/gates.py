"""What counts as a regression (``gates.yaml``): tolerances, seed noise, tests, allowed rows, the policy for speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path

from bench.core import documents
from bench.core.registry import suggestion
from bench.errors import UsageError
from bench.report.uncertainty import LEVEL, SEED_LEVEL
from bench.results.record import STRICT, Tolerance

TESTS = ("bootstrap", "wilcoxon")
EXACT = ("*-parameters", "*-gmac", "*-gmac-fvcore", "bits-per-*", "payload-bits-per-*")
"""Numbers that are counted, not estimated: any change is a change."""
OTHERWISE = Tolerance(0.0, 0.01)
"""For numbers whose metric is not in the table that was given."""
SPEED = ("encode-images-per-second", "decode-images-per-second", "training-seconds", "peak-memory-bytes")
"""Numbers that depend on the machine: compared as ratios to a reference method of the same run, or not at all."""


@dataclass(frozen=True)
class Rule:
    """Overrides for the numbers whose method label and metric name match the patterns; later rules win.

    ``seeds`` is the known deviation of one training seed. ``both``: a change for the better fails as well.
    """

    __pydantic_config__ = STRICT

    method: str = "*"
    metric: str = "*"
    dataset: str = "*"
    absolute: float | None = None
    relative: float | None = None
    seeds: float | None = None
    both: bool | None = None
    ignore: bool | None = None

    def matches(self, dataset: str, method: str, metric: str) -> bool:
        """Whether the rule speaks of this number."""
        pairs = ((dataset, self.dataset), (method, self.method), (metric, self.metric))
        return all(fnmatchcase(name, pattern) for name, pattern in pairs)


@dataclass(frozen=True)
class Speed:
    """``reference``: pattern of the method that speeds are divided by; ``slower``: allowed loss of the ratio."""

    __pydantic_config__ = STRICT

    reference: str | None = None
    slower: float = 0.25


@dataclass(frozen=True)
class Gates:
    """``k`` scales the seed deviation (None: the quantile at ``seed_level`` of
    :func:`bench.report.uncertainty.seed_noise`).

    ``tests`` must all agree, at ``level``, where per-image values exist; ``holm`` corrects them for the number of
    comparisons. Rows that match ``missing`` may vanish and rows that match ``new`` may appear.
    """

    __pydantic_config__ = STRICT

    level: float = LEVEL
    seed_level: float = SEED_LEVEL
    k: float | None = None
    tests: tuple[str, ...] = TESTS
    holm: bool = True
    rules: tuple[Rule, ...] = ()
    missing: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    speed: Speed = field(default_factory=Speed)

    def rule(self, tolerances: Mapping[str, Tolerance], dataset: str, method: str, metric: str) -> Rule:
        """The one rule that results for a number: its metric's tolerance, overridden by every rule that matches."""
        tolerance = Tolerance(0.0) if _any(EXACT, metric) else tolerances.get(metric, OTHERWISE)
        made = Rule(method, metric, dataset, tolerance.absolute, tolerance.relative, None, False, False)
        for rule in self.rules:
            if rule.matches(dataset, method, metric):
                given = {f.name: getattr(rule, f.name) for f in fields(Rule) if f.name not in _PATTERNS}
                made = replace(made, **{name: value for name, value in given.items() if value is not None})
        return made

    def may(self, kind: str, method: str) -> bool:
        """Whether a row may be ``missing`` or ``new``."""
        return _any(self.missing if kind == "missing" else self.new, method)


_PATTERNS = ("method", "metric", "dataset")


def _any(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def read_gates(path: Path) -> Gates:
    """Gates from a YAML file whose keys are the fields of :class:`Gates`, :class:`Rule` and :class:`Speed`.

    Raises :class:`UsageError` that names the file, the key and what there is instead.
    """
    door = documents.Door(str(path), "mend it there")
    raw = documents.from_yaml(documents.read(path, door, documents.LARGEST_BY_HAND), door)
    gates: Gates = documents.check(Gates, {} if raw is None else raw, door)
    for test in gates.tests:
        if test not in TESTS:
            raise UsageError(f"{path}: there is no test '{test}'.{suggestion(test, TESTS)}")
    if not gates.tests:
        raise UsageError(f"{path}: tests is empty; name at least one of {', '.join(TESTS)}.")
    for level in (gates.level, gates.seed_level):
        if not 0 < level < 1:
            raise UsageError(f"{path}: a level is {level}; it lies between 0 and 1, for example {LEVEL}.")
    sizes = [gates.k, gates.speed.slower, *(size for r in gates.rules for size in (r.absolute, r.relative, r.seeds))]
    for size in sizes:
        if size is not None and size < 0:
            raise UsageError(f"{path}: {size} is below 0; what is allowed is a size.")
    return gates
