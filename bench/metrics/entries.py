"""Rows of the tables of metrics, protocols and feature networks. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from bench.results.record import Tolerance

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from bench.metrics.feature_cache import Features
    from bench.pretrained.lpips import Networks

PairFormula = Callable[["Tensor", "Tensor", "Networks"], "np.ndarray"]
SetFormula = Callable[["Features", "Features", "MetricProtocol"], Mapping[str, float]]


@dataclass(frozen=True)
class MetricEntry:
    """One row of ``bench.metrics.METRICS``; it stands in ``ROWS`` of the file of its formula.

    ``kind`` "pair": ``function(reference, candidate, tools) -> float64 [N]``, images uint8 ``[N, 3, H, W]``.
    ``kind`` "set": ``function(reference, candidate, protocol) -> Mapping[str, float]``, two
    :class:`bench.metrics.feature_cache.Features` to the numbers of one formula, of which this metric is the one called
    ``number`` (metrics that share function and features are computed once) and ``<number>-deviation`` its deviation.
    ``features`` is a role that the protocol maps to ``extractor.output``, or such a name itself. ``reads`` "candidate"
    marks a number of the candidate alone. ``settings`` names the fields of the protocol that the number depends on.
    ``version`` is part of the signature; raise it when the number changes.
    Tables print it with ``decimals``, or else with at least ``significant`` digits; rows of a lower ``place`` come
    first in lists, a new one last.
    ``named_only``: measured where a protocol has it among its ``pairs`` or a person names it, and nowhere else.
    ``scores`` says which values of the reconstruction the convention scores: those rounded to 8 bits, or what the
    network gave, "truncated" to 8 bits or "unrounded"; the last two have no value on images of 8 bits, unless these are
    said to be exact. The value is the mean of the means of ``batch`` images at a time.
    ``needs`` names the weights of :mod:`bench.pretrained.weights`. Sets with an image that has fewer pixels a side than
    ``smallest_side``, or more in all than ``largest_pixels``, have no value.
    """

    name: str
    title: str
    kind: Literal["pair", "set"]
    higher_is_better: bool
    unit: str
    function: PairFormula | SetFormula
    tolerance: Tolerance
    version: int = 1
    features: str | None = None
    number: str = "value"
    reads: Literal["both", "candidate"] = "both"
    settings: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    smallest_side: int = 1
    largest_pixels: int | None = None
    decimals: int | None = None
    significant: int = 4
    place: int = 1000
    named_only: bool = False
    scores: Literal["rounded", "truncated", "unrounded"] = "rounded"
    batch: int = 1
    convention: Mapping[str, str | int | float] = field(default_factory=dict)
    """What the signature says of this metric beyond its name: window, covariance, range, k."""


@dataclass(frozen=True)
class MetricProtocol:
    """One row of ``bench.metrics.protocols.PROTOCOLS``: everything about set metrics that tools and papers disagree on.

    - ``features`` maps a metric's role ("fid", "prdc", "is"...) to ``extractor.output``; the extractor fixes the
      resize filter and the quantisation before the network.
    - ``neighbours`` is the k of precision and recall; their ``distances`` are exact, or those of a tool ("float16").
    - ``splits`` and ``shuffled`` belong to IS, or ``split_size``: parts of that many images, the last one shorter.
    - ``subsets`` and ``subset_size`` belong to KID (a smaller set is used whole).
    - ``pairs`` are the metrics of image pairs that the protocol's script measures, by name.
    - ``candidates`` is the number of images the convention asks for, ``reference`` the split they are compared to;
      None: the source does not say.
    """

    name: str
    title: str
    features: Mapping[str, str]
    neighbours: int = 3
    distances: Literal["float16"] | None = None
    splits: int | None = 10
    split_size: int | None = None
    shuffled: bool = True
    subsets: int = 100
    subset_size: int = 1000
    candidates: int | None = None
    reference: str | None = None
    source: str = ""
    pairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeatureEntry:
    """One row of ``bench.metrics.features.FEATURES``: ``build(device, weights) -> FeatureExtractor``.

    ``weights(name) -> Path`` finds a pinned file. ``convention`` is what the signature says of the path from uint8 to
    the network's input: resize filter, size, quantisation. ``packages`` are the optional installs it needs.
    """

    name: str
    title: str
    build: str
    outputs: tuple[str, ...]
    needs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    version: int = 1
    convention: Mapping[str, str | int | float] = field(default_factory=dict)


class FeatureExtractor(Protocol):
    """uint8 images ``[N, 3, H, W]`` to named float32 features ``[N, D]``, one network pass for all of them."""

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """Float32 ``[N, D]`` by output name, on the extractor's device."""
        ...
