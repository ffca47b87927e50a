"""Scores one image set against another: every metric from one pass over the images, everything cached by content.

No torch is imported unless something has to be computed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.core.digest import of_value
from bench.core.files import write_file
from bench.core.progress import Progress, silent
from bench.core.registry import load
from bench.errors import UsageError
from bench.metrics.entries import FeatureEntry, MetricEntry, MetricProtocol
from bench.metrics.feature_cache import Features, open_vectors
from bench.metrics.signatures import Images, ImageSet, Item, Itemizer, Precision
from bench.results.record import Measurement

if TYPE_CHECKING:
    import torch

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
) -> Measured:
    """Measures ``candidate`` against ``reference``.

    A metric that cannot be computed (weights that are not here, images too small, counts that differ) is a measurement
    without value that says why. Numbers, features and per-image values are kept in ``cache``, keyed by the digests of
    images and weights and by everything else that decides them; what is there is not computed again. A ``device``
    given by name ("auto", "cpu", "cuda:1") is looked for only when something has to be computed. ``precision``
    "bfloat16" is for feature extractors alone, and stands in their signatures. ``pretrained`` finds and names the
    networks, by default the pinned files alone.
    """
    one, other = ImageSet("the reference", reference), ImageSet("the candidate", candidate)
    items = Itemizer(one, other, features, protocol, precision, pretrained)
    ruler = _Ruler(one, other, items, protocol, cache)
    asked = [items.item(entry) for entry in metrics]
    lacking = [item for item in asked if item.reason is None and ruler.known(item) is None]
    if lacking:
        ruler.look(lacking, features, device, batch, progress, precision, pretrained)
    found = tuple(ruler.measurement(item) for item in asked)
    pairs = [item for item in asked if item.entry.kind == "pair" and item.reason is None]
    return Measured(found, {item.entry.name: ruler.values(item) for item in pairs})


def extract(
    images: Images,
    wanted: Sequence[str],
    entries: Mapping[str, FeatureEntry],
    device: torch.device | str,
    cache: Path,
    batch: int = 32,
    progress: Progress = silent,
) -> dict[str, Features]:
    """The features ``extractor.output`` of an image set, from the cache or computed now, by name.

    Raises :class:`bench.errors.Missing` where an extractor's weights are not here.
    """
    one = ImageSet("the images", images)
    nothing = MetricProtocol("", "", {})
    ruler = _Ruler(one, one, Itemizer(one, one, entries, nothing), nothing, cache)
    absent = ruler.absent(one, wanted)
    if absent:
        from bench.metrics import image_pass

        image_pass.run((), one.arrays, image_pass.Work(candidate=absent), entries, device, batch, progress)
    opened = {feature: ruler.open(one, feature) for feature in wanted}
    return {feature: values for feature, values in opened.items() if values is not None}


def _features(items: Iterable[Item]) -> list[str]:
    """The features that some metrics read, each once."""
    return list(dict.fromkeys(item.feature for item in items if item.feature is not None))


class _Ruler:
    """One measurement's cache, image pass and numbers."""

    def __init__(
        self, reference: ImageSet, candidate: ImageSet, items: Itemizer, protocol: MetricProtocol, cache: Path
    ) -> None:
        self._reference = reference
        self._candidate = candidate
        self._items = items
        self._protocol = protocol
        self._cache = cache
        self._features: dict[tuple[str, str], Features] = {}
        self._computed: dict[tuple[str, str | None], Mapping[str, float]] = {}
        self._kept: dict[str, dict[str, Any]] = {}

    # -- what is kept -----------------------------------------------------------------------------------------

    def known(self, item: Item) -> Mapping[str, float] | None:
        """The numbers, when they are in the cache and whole."""
        if item.key not in self._kept:
            kept = _read(self._file(item), item.key)
            if kept is None:
                return None
            self._kept[item.key] = kept
        numbers: Mapping[str, float] = self._kept[item.key]["numbers"]
        return numbers

    def values(self, item: Item) -> np.ndarray:
        """The per-image values of a pair metric that is known."""
        return np.array(self._kept[item.key]["values"], dtype=np.float64)

    def _keep(self, item: Item, numbers: Mapping[str, float], values: Sequence[float] = ()) -> None:
        content = {"key": item.key, "numbers": dict(numbers), "values": list(values)}
        text = json.dumps({**content, "sha256": of_value(content)})
        write_file(self._file(item), lambda temporary: temporary.write_text(text))
        self._kept[item.key] = content

    def _file(self, item: Item) -> Path:
        return self._cache / "measured" / f"{item.key[:32]}.json"

    # -- the pass over the images -----------------------------------------------------------------------------

    def look(
        self,
        items: Sequence[Item],
        entries: Mapping[str, FeatureEntry],
        device: torch.device | str,
        batch: int,
        progress: Progress,
        precision: Precision,
        pretrained: Pretrained | None,
    ) -> None:
        """Computes the per-image values and the features that the cache lacks."""
        pairs = {item.key: item for item in items if item.entry.kind == "pair"}
        wanted = {key: item.entry.function for key, item in pairs.items()}
        reference = self.absent(self._reference, _features(i for i in items if i.entry.reads == "both"))
        candidate = self.absent(self._candidate, _features(items))
        if not (wanted or reference or candidate):
            return
        from bench.metrics import image_pass

        work = image_pass.Work(wanted, reference, candidate)
        arrays = self._reference.arrays, self._candidate.arrays
        found = image_pass.run(*arrays, work, entries, device, batch, progress, precision, pretrained)
        for key, values in found.items():
            self._keep(pairs[key], {"value": float(values.mean())}, values.tolist())

    def absent(self, images: ImageSet, features: Iterable[str]) -> dict[str, dict[str, Path]]:
        """For each extractor, the folders of the outputs that have to be computed for this set."""
        absent: dict[str, dict[str, Path]] = {}
        for feature in features:
            if images.statistics is None and self.open(images, feature) is None:
                extractor, _, output = feature.partition(".")
                absent.setdefault(extractor, {})[output] = self._folder(images, feature)
        return absent

    def _folder(self, images: ImageSet, feature: str) -> Path:
        return self._cache / "features" / self._items.feature_key(images, feature)[:32]

    def open(self, images: ImageSet, feature: str) -> Features | None:
        if images.statistics is not None:
            return images.statistics.features[feature]
        key = images.digest, feature
        if key not in self._features:
            values = open_vectors(self._folder(images, feature))
            if values is None:
                return None
            self._features[key] = Features(images.name, values)
        return self._features[key]

    # -- numbers ----------------------------------------------------------------------------------------------

    def measurement(self, item: Item) -> Measurement:
        """The metric's number from the cache or from features, or the reason of its absence."""
        entry = item.entry
        numbers = None if item.reason is not None else self.known(item)
        reason = item.reason
        if reason is None and numbers is None:
            try:
                numbers = self._compute(item)
                self._keep(item, numbers)
            except UsageError as error:
                reason = str(error)
        return Measurement(
            name=entry.name,
            value=None if numbers is None else numbers[entry.number],
            unit=entry.unit,
            higher_is_better=entry.higher_is_better,
            n=self._candidate.count,
            deviation=None if numbers is None else numbers.get(f"{entry.number}-deviation"),
            signature=item.signature,
            reason=reason,
        )

    def _compute(self, item: Item) -> Mapping[str, float]:
        """Runs a formula on features; metrics that are numbers of one formula share the run."""
        formula = item.entry.function, item.feature
        if formula not in self._computed:
            assert item.feature is not None
            reference = candidate = self.open(self._candidate, item.feature)
            if item.entry.reads == "both":
                reference = self.open(self._reference, item.feature)
            self._computed[formula] = load(item.entry.function)(reference, candidate, self._protocol)
        return self._computed[formula]


def _read(path: Path, key: str) -> dict[str, Any] | None:
    """A kept result, or None when it is absent, damaged or of another key."""
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
        digest = kept.pop("sha256")
        return kept if kept["key"] == key and digest == of_value(kept) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
