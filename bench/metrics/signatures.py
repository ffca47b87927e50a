"""What a measurement consists of: image sets, and metrics with signature and key, or a reason. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from bench.core.digest import of_value
from bench.core.registry import lookup
from bench.core.source import Sources
from bench.data import sized
from bench.metrics.entries import FeatureEntry, MetricEntry, MetricProtocol
from bench.metrics.feature_cache import Statistics
from bench.pretrained import weights
from bench.pretrained.networks import Pretrained

DISTRIBUTIONS = {"open_clip": "open_clip_torch"}
"""Packages that are installed under another name than they are imported."""

Images = sized.Images | Sequence[sized.Images] | Statistics
"""An image set: images of one size or of several, or a row of such; or, as a reference only, features' statistics."""

EXACT = "8-bit values, said to be exact"
"""What the signature says of a number of unrounded values that was measured on 8-bit images."""

PASS = "bench.metrics.image_pass"
"""The code that feeds images to metrics and networks."""

SUMMARY = "bench.metrics.measure"
"""The code that makes numbers of per-image values and of features."""


class ImageSet:
    """Arrays or statistics under one interface."""

    def __init__(self, name: str, images: Images) -> None:
        self.name = name
        self.statistics = images if isinstance(images, Statistics) else None
        self.arrays: tuple[sized.Images, ...] = ()
        if not isinstance(images, Statistics):
            self.arrays = tuple(images) if isinstance(images, Sequence) else (images,)

    @cached_property
    def digest(self) -> str:
        """Of one array, its own; of several, of their digests in order."""
        if self.statistics is not None:
            return self.statistics.digest
        digests = [array.digest for array in self.arrays]
        return digests[0] if len(digests) == 1 else of_value(digests)

    @property
    def count(self) -> int:
        """Number of images."""
        return self.statistics.count if self.statistics is not None else sum(len(array) for array in self.arrays)

    @cached_property
    def sizes(self) -> np.ndarray:
        """(height, width) of every image, int64 ``[N, 2]``."""
        return np.concatenate([np.empty((0, 2), np.int64), *map(sized.sizes, self.arrays)])


Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class PlannedMetric:
    """One metric of a measurement: its signature, the key of its cached value, or the reason why it has none."""

    entry: MetricEntry
    feature: str | None
    signature: Mapping[str, Any]
    key: str
    reason: str | None


class Planner:
    """Gives every metric of one measurement its signature and its keys, by content alone."""

    def __init__(
        self,
        reference: ImageSet,
        candidate: ImageSet,
        entries: Mapping[str, FeatureEntry],
        protocol: MetricProtocol,
        precision: Precision = "float32",
        pretrained: Pretrained | None = None,
        sources: Sources | None = None,
        exact: bool = False,
    ) -> None:
        self._exact = exact
        self._reference = reference
        self._candidate = candidate
        self._entries = entries
        self._protocol = protocol
        self._precision = precision
        self._pretrained = pretrained or Pretrained()
        self._sources = sources or Sources()

    def plan(self, entry: MetricEntry) -> PlannedMetric:
        """The metric with its signature and key, or with the reason of its absence."""
        feature = None if entry.features is None else self._protocol.features.get(entry.features, entry.features)
        needs = needed(entry, self._entries, self._protocol)
        reason = self._unfit(entry, feature) or self._absent(feature, needs)
        if reason is not None:
            return PlannedMetric(entry, feature, {}, "", reason)
        signature = self._signature(entry, feature, needs)
        modules = [entry.function.__module__, *([] if feature is None else [self._extractor(feature).build])]
        function = f"{entry.function.__module__}:{entry.function.__name__}"
        code = self._sources.digest([*modules, PASS], [SUMMARY])
        recipe = {"function": function, "candidate": self._candidate.digest, "code": code}
        return PlannedMetric(entry, feature, signature, of_value({**signature, **recipe}), None)

    def _absent(self, feature: str | None, needs: Sequence[str]) -> str | None:
        """What has to be installed or fetched."""
        packages = self._extractor(feature).packages if feature else ()
        reasons = [
            f"the package {name} is not installed; run: pip install 'image-tokenizer-bench[metrics]'"
            for name in packages
            if find_spec(name) is None
        ]
        reasons += [weights.reason(name) for name in needs if not self._pretrained.available(name)]
        return "; ".join(reasons) or None

    def _extractor(self, feature: str) -> FeatureEntry:
        return lookup(self._entries, feature.partition(".")[0], "feature extractor")

    def _unfit(self, entry: MetricEntry, feature: str | None) -> str | None:
        """Why these images cannot be measured with this metric."""
        one, other = self._reference, self._candidate
        if one.statistics is not None:
            if feature is None:
                return f"{one.name} is a statistics file; {entry.title} compares image with image"
            if entry.reads == "both" and feature not in one.statistics.features:
                kept = ", ".join(one.statistics.features)
                return f"{one.name} holds statistics of {kept}, not of {feature}; choose the protocol they belong to"
        if entry.scores != "rounded" and not self._exact:
            return (
                f"{entry.title} scores {entry.scores} values of the reconstruction, and images are of 8 bits, rounded "
                "before; if they are exact, as a codec's are, say so with: bench score --exact"
            )
        if entry.kind == "pair" and one.count != other.count:
            return f"{one.name} holds {one.count} images and {other.name} {other.count}; pairs need equal counts"
        if entry.kind == "pair" and not np.array_equal(one.sizes, other.sizes):
            return f"the images of {one.name} and {other.name} differ in size; {entry.title} compares equal sizes"
        sizes = np.concatenate([one.sizes, other.sizes])
        if sizes.min() < entry.smallest_side:
            return f"{entry.title} needs at least {entry.smallest_side} pixels a side, one here has {sizes.min()}"
        return _too_large(entry, int(sizes.prod(axis=1).max()))

    def _signature(self, entry: MetricEntry, feature: str | None, needs: Sequence[str]) -> dict[str, Any]:
        signature: dict[str, Any] = {"metric": entry.name, "version": entry.version, **entry.convention}
        if feature is not None:
            extractor = self._extractor(feature)
            signature |= {"features": feature, "features version": extractor.version, **extractor.convention}
            if extractor.packages:
                signature["backend"] = backends(extractor)
            if self._precision != "float32":
                signature["precision"] = self._precision
        if entry.scores != "rounded":
            signature["reconstruction"] = EXACT
        if needs:
            signature["weights"] = ", ".join(self._pretrained.identity(name) for name in needs)
        settings = {name: self._setting(name) for name in entry.settings}
        signature |= {name: value for name, value in settings.items() if value is not None}
        if entry.reads == "both":
            signature |= {"reference": self._reference.digest[:12], "reference count": self._reference.count or None}
        return {**signature, "count": self._candidate.count}

    def _setting(self, name: str) -> Any:
        """A field of the protocol as it takes effect: no subset is larger than a set that it is drawn from."""
        value = getattr(self._protocol, name)
        drawn_from = {"subset_size": (self._reference, self._candidate), "split_size": (self._candidate,)}
        counts = [images.count for images in drawn_from.get(name, ()) if images.count]
        return value if value is None else min([value, *counts]) if counts else value

    def feature_key(self, images: ImageSet, feature: str) -> str:
        """The key of one set's features: images, extractor with code, convention, weights and backend."""
        extractor = self._extractor(feature)
        recipe = {
            "code": code_of_features(extractor, self._sources),
            "images": images.digest,
            "features": feature,
            "version": extractor.version,
            "convention": dict(extractor.convention),
            "precision": self._precision,
            "weights": [self._pretrained.identity(name) for name in extractor.needs],
            **({"backend": backends(extractor)} if extractor.packages else {}),
        }
        return of_value(recipe)


def _too_large(entry: MetricEntry, pixels: int) -> str | None:
    """Why an image of so many pixels, the largest of a set, cannot be measured; None where it can."""
    if entry.largest_pixels is None or pixels <= entry.largest_pixels:
        return None
    most = entry.largest_pixels / 1e6
    return (
        f"{entry.title} is measured on images of at most {most:.1f} million pixels, which bounds its memory; one here "
        f"has {pixels / 1e6:.1f} million: reduce them, in a run with --protocol native:{int(entry.largest_pixels**0.5)}"
    )


def code_of_features(extractor: FeatureEntry, sources: Sources) -> str:
    """The digest of the code behind an extractor's features, from the images on."""
    return sources.digest([extractor.build, PASS])


def needed(metric: MetricEntry, features: Mapping[str, FeatureEntry], protocol: MetricProtocol) -> tuple[str, ...]:
    """The weights a metric needs under a protocol: its own, and those of the extractor that the protocol names."""
    if metric.features is None:
        return metric.needs
    feature = protocol.features.get(metric.features, metric.features)
    extractor = lookup(features, feature.partition(".")[0], "feature extractor")
    return tuple(dict.fromkeys((*metric.needs, *extractor.needs)))


def backends(extractor: FeatureEntry) -> str:
    """Names and versions of the installed packages whose network classes an extractor is built on; often none."""
    return ", ".join(f"{name} {version(DISTRIBUTIONS.get(name, name))}" for name in extractor.packages)
