"""Scores one image set against another: every metric from one pass over the images, everything cached by content.

No torch is imported unless something has to be computed.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bench.core.digest import of_value
from bench.core.files import write_file
from bench.core.progress import Progress, silent
from bench.errors import UsageError
from bench.metrics.entries import FeatureEntry, MetricEntry, MetricProtocol
from bench.metrics.feature_cache import Features, open_vectors
from bench.metrics.signatures import Images, ImageSet, PlannedMetric, Planner, Precision
from bench.results.record import Measurement

if TYPE_CHECKING:
    import torch

    from bench.core.source import Sources
    from bench.metrics.entries import PairFormula, SetFormula
    from bench.pretrained.networks import Pretrained


@dataclass(frozen=True)
class Measured:
    """The numbers, in the order the metrics were asked for, and the per-image values (float64 ``[N]``) by metric."""

    measurements: tuple[Measurement, ...]
    per_image: dict[str, np.ndarray]


def measure(
    reference: Images,
    candidate: Images,
    metrics: Sequence[MetricEntry],
    features: Mapping[str, FeatureEntry],
    protocol: MetricProtocol,
    device: torch.device | str,
    cache: Path,
    batch: int = 32,
    progress: Progress = silent,
    precision: Precision = "float32",
    pretrained: Pretrained | None = None,
    sources: Sources | None = None,
    renews: Callable[[Path], bool] = lambda place: False,
    exact: bool = False,
) -> Measured:
    """Measures ``candidate`` against ``reference``.

    A metric that cannot be computed (weights that are not here, images too small, counts that differ) is a measurement
    without value that says why. Numbers, features and per-image values are kept in ``cache``, keyed by the digests of
    images, weights and code and by everything else that decides them; what is there is not computed again. A ``device``
    given by name ("auto", "cpu", "cuda:1") is looked for only when something has to be computed. ``precision``
    "bfloat16" is for feature extractors alone, and stands in their signatures. ``pretrained`` finds and names the
    networks, by default the pinned files alone. ``sources`` is what the caller has read of the program's code.
    What is kept is computed again where ``renews(place)`` says so. ``exact`` says that the candidate's 8-bit values
    are what its maker gave, not rounded ones: then metrics of unrounded values have a number, too.
    """
    one, other = ImageSet("the reference", reference), ImageSet("the candidate", candidate)
    planner = Planner(one, other, features, protocol, precision, pretrained, sources, exact)
    scorer = _Scorer(one, other, planner, protocol, cache, renews)
    asked = [planner.plan(entry) for entry in metrics]
    lacking = [metric for metric in asked if metric.reason is None and scorer.known(metric) is None]
    if lacking:
        scorer.look(lacking, features, device, batch, progress, precision, pretrained)
    found = tuple(scorer.measurement(metric) for metric in asked)
    pairs = [metric for metric in asked if metric.entry.kind == "pair" and metric.reason is None]
    return Measured(found, {metric.entry.name: scorer.values(metric) for metric in pairs})


def extract(
    images: Images,
    wanted: Sequence[str],
    entries: Mapping[str, FeatureEntry],
    device: torch.device | str,
    cache: Path,
    batch: int = 32,
    progress: Progress = silent,
    pretrained: Pretrained | None = None,
) -> dict[str, Features]:
    """The features ``extractor.output`` of an image set, from the cache or computed now, by name.

    They are those that set metrics keep. ``pretrained`` finds the networks, by default the pinned files alone. Raises
    :class:`bench.errors.Missing` where an extractor's weights are not here.
    """
    one = ImageSet("the images", images)
    nothing = MetricProtocol("", "", {})
    planner = Planner(one, one, entries, nothing, pretrained=pretrained)
    scorer = _Scorer(one, one, planner, nothing, cache, lambda place: False)
    absent = scorer.absent(one, wanted)
    if absent:
        from bench.metrics import image_pass

        work = image_pass.Work(candidate=absent)
        image_pass.run((), one.arrays, work, entries, device, batch, progress, pretrained=pretrained)
    opened = {feature: scorer.open(one, feature) for feature in wanted}
    return {feature: values for feature, values in opened.items() if values is not None}


def _features(metrics: Iterable[PlannedMetric]) -> list[str]:
    """The features that some metrics read, each once."""
    return list(dict.fromkeys(metric.feature for metric in metrics if metric.feature is not None))


class _Scorer:
    """One measurement's cache, image pass and numbers."""

    def __init__(
        self,
        reference: ImageSet,
        candidate: ImageSet,
        planner: Planner,
        protocol: MetricProtocol,
        cache: Path,
        renews: Callable[[Path], bool],
    ) -> None:
        self._reference = reference
        self._candidate = candidate
        self._planner = planner
        self._protocol = protocol
        self._cache = cache
        self._renews = renews
        self._features: dict[tuple[str, str], Features] = {}
        self._computed: dict[tuple[object, str | None], Mapping[str, float]] = {}
        self._kept: dict[str, dict[str, Any]] = {}

    # -- what is kept -----------------------------------------------------------------------------------------

    def known(self, metric: PlannedMetric) -> Mapping[str, float | None] | None:
        """The numbers, when they are in the cache and whole."""
        if metric.key not in self._kept:
            kept = None if _removed(self._file(metric), self._renews) else _read(self._file(metric), metric.key)
            if kept is None:
                return None
            self._kept[metric.key] = kept
        numbers: Mapping[str, float | None] = self._kept[metric.key]["numbers"]
        return numbers

    def values(self, metric: PlannedMetric) -> np.ndarray:
        """The per-image values of a pair metric that is known."""
        return np.array(self._kept[metric.key]["values"], dtype=np.float64)

    def _keep(
        self, metric: PlannedMetric, numbers: Mapping[str, float | None], values: Sequence[float | None] = ()
    ) -> None:
        content = {"key": metric.key, "numbers": dict(numbers), "values": list(values)}
        text = json.dumps({**content, "sha256": of_value(content)})
        write_file(self._file(metric), lambda temporary: temporary.write_text(text))
        self._kept[metric.key] = content

    def _file(self, metric: PlannedMetric) -> Path:
        return self._cache / "measured" / f"{metric.key[:32]}.json"

    # -- the pass over the images -----------------------------------------------------------------------------

    def look(
        self,
        metrics: Sequence[PlannedMetric],
        entries: Mapping[str, FeatureEntry],
        device: torch.device | str,
        batch: int,
        progress: Progress,
        precision: Precision,
        pretrained: Pretrained | None,
    ) -> None:
        """Computes the per-image values and the features that the cache lacks."""
        pairs = {metric.key: metric for metric in metrics if metric.entry.kind == "pair"}
        wanted = {key: cast("PairFormula", metric.entry.function) for key, metric in pairs.items()}
        reference = self.absent(self._reference, _features(m for m in metrics if m.entry.reads == "both"))
        candidate = self.absent(self._candidate, _features(metrics))
        if not (wanted or reference or candidate):
            return
        from bench.metrics import image_pass

        work = image_pass.Work(wanted, reference, candidate)
        arrays = self._reference.arrays, self._candidate.arrays
        found = image_pass.run(*arrays, work, entries, device, batch, progress, precision, pretrained)
        for key, values in found.items():
            numbers = {"value": _or_none(_average(values, pairs[key].entry.batch))}
            self._keep(pairs[key], numbers, [_or_none(value) for value in values.tolist()])

    def absent(self, images: ImageSet, features: Iterable[str]) -> dict[str, dict[str, Path]]:
        """For each extractor, the folders of the outputs that have to be computed for this set."""
        absent: dict[str, dict[str, Path]] = {}
        for feature in features:
            if images.statistics is None and self.open(images, feature) is None:
                extractor, _, output = feature.partition(".")
                absent.setdefault(extractor, {})[output] = self._folder(images, feature)
        return absent

    def _folder(self, images: ImageSet, feature: str) -> Path:
        return self._cache / "features" / self._planner.feature_key(images, feature)[:32]

    def open(self, images: ImageSet, feature: str) -> Features | None:
        if images.statistics is not None:
            return images.statistics.features[feature]
        key = images.digest, feature
        if key not in self._features:
            folder = self._folder(images, feature)
            values = None if _removed(folder, self._renews) else open_vectors(folder)
            if values is None:
                return None
            self._features[key] = Features(images.name, values)
        return self._features[key]

    # -- numbers ----------------------------------------------------------------------------------------------

    def measurement(self, metric: PlannedMetric) -> Measurement:
        """The metric's number from the cache or from features, or the reason of its absence."""
        entry = metric.entry
        numbers = None if metric.reason is not None else self.known(metric)
        reason = metric.reason
        if reason is None and numbers is None:
            try:
                numbers = self._compute(metric)
                self._keep(metric, numbers)
            except UsageError as error:
                reason = str(error)
        if numbers is not None and numbers[entry.number] is None:
            numbers, reason = None, f"{entry.title} is not defined for {_undefined(self.values(metric))}"
        return Measurement(
            name=entry.name,
            value=None if numbers is None else numbers[entry.number],
            unit=entry.unit,
            higher_is_better=entry.higher_is_better,
            n=self._candidate.count,
            deviation=None if numbers is None else numbers.get(f"{entry.number}-deviation"),
            signature=metric.signature,
            reason=reason,
        )

    def _compute(self, metric: PlannedMetric) -> Mapping[str, float]:
        """Runs a formula on features; metrics that are numbers of one formula share the run."""
        formula = metric.entry.function, metric.feature
        if formula not in self._computed:
            assert metric.feature is not None
            reference = candidate = self.open(self._candidate, metric.feature)
            if metric.entry.reads == "both":
                reference = self.open(self._reference, metric.feature)
            assert reference is not None
            assert candidate is not None, "features are computed or found before numbers are asked for"
            self._computed[formula] = cast("SetFormula", metric.entry.function)(reference, candidate, self._protocol)
        return self._computed[formula]


def _average(values: np.ndarray, batch: int) -> float:
    """The mean of the means of consecutive batches, the last of which may be smaller."""
    parts = [values[start : start + batch] for start in range(0, len(values), batch)] if batch > 1 else [values]
    return float(np.mean([part.mean() for part in parts]))


def _or_none(value: float) -> float | None:
    """NaN as JSON can say it."""
    return None if math.isnan(value) else value


def _undefined(values: np.ndarray) -> str:
    broken = np.flatnonzero(np.isnan(values))
    return f"{len(broken)} of {len(values)} images, the first of which is number {broken[0]}"


def _removed(place: Path, renews: Callable[[Path], bool]) -> bool:
    """Whether the number or the features there are to be computed again; they are removed then."""
    if not renews(place):
        return False
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    return True


def _read(path: Path, key: str) -> dict[str, Any] | None:
    """A kept result, or None when it is absent, damaged or of another key."""
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
        digest = kept.pop("sha256")
        return kept if kept["key"] == key and digest == of_value(kept) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
