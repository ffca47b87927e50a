"""One pass over two image sets that feeds every pair metric and every feature extractor at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.core.devices import choose_device
from bench.core.progress import Advance, Progress
from bench.core.registry import load
from bench.data import sized
from bench.data.sized import Images
from bench.errors import BenchError
from bench.metrics.entries import FeatureEntry, FeatureExtractor, PairFormula
from bench.metrics.feature_cache import VectorWriter
from bench.pretrained.lpips import Networks
from bench.pretrained.networks import Pretrained

LARGEST_BATCH = 1 << 23
"""Pixels of one batch (8 million: 32 images of 512 px); a metric holds them several times over in float64."""


@dataclass(frozen=True)
class Work:
    """What a pass has to produce.

    ``pairs``: metric function by name. ``reference`` and ``candidate``: for each extractor entry, the
    folder of each wanted output.
    """

    pairs: Mapping[str, PairFormula] = field(default_factory=dict)
    reference: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    candidate: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)


class _SetPass:
    """One image set within a pass: its batches, and the writers of its features."""

    def __init__(
        self,
        name: str,
        arrays: Sequence[Images],
        wanted: Mapping[str, Mapping[str, Path]],
        extractors: Mapping[str, FeatureExtractor],
        stack: ExitStack,
    ) -> None:
        self._name = name
        self._arrays = arrays
        self._extractors = {entry: extractors[entry] for entry in wanted}
        self.count = sum(len(array) for array in arrays)
        self._writers = {
            entry: {output: VectorWriter(folder, self.count) for output, folder in outputs.items()}
            for entry, outputs in wanted.items()
        }
        for writer in self.writers():
            stack.callback(writer.discard)

    def writers(self) -> list[VectorWriter]:
        return [writer for outputs in self._writers.values() for writer in outputs.values()]

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        """The places and the pixels of up to ``size`` images of one size at a time, at most LARGEST_BATCH pixels."""
        before = 0
        for array in self._arrays:
            for places, pixels in sized.batches(array, size, LARGEST_BATCH):
                yield before + places, torch.from_numpy(pixels)
            before += len(array)

    def extract(self, places: np.ndarray, images: Tensor) -> None:
        """Feeds a batch to this set's extractors and writes what they give, in the order of the batches."""
        for entry, outputs in self._writers.items():
            values = self._extractors[entry](images)
            for output, writer in outputs.items():
                vectors = values[output].float().cpu().numpy()
                self._check(vectors, entry, places)
                writer.append(vectors)

    def _check(self, vectors: np.ndarray, entry: str, places: np.ndarray) -> None:
        broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(broken):
            raise BenchError(
                f"The {entry} features of {self._name} image {places[broken[0]]} are not finite numbers; "
                "check the network's weights, and use float32 if bfloat16 was asked for."
            )


def run(
    reference: Sequence[Images],
    candidate: Sequence[Images],
    work: Work,
    entries: Mapping[str, FeatureEntry],
    device: torch.device | str,
    batch: int,
    progress: Progress,
    precision: str = "float32",
    pretrained: Pretrained | None = None,
) -> dict[str, np.ndarray]:
    """Does the work; features go to their folders, per-image values float64 ``[N]`` come back by pair metric.

    Values are in the order of the images, features in that of the batches: where sizes differ, by size.
    ``precision`` "bfloat16" runs the extractors' products in bfloat16; pair metrics are never touched by it.
    ``pretrained`` finds the networks, by default the pinned files alone.
    """
    device = choose_device(device) if isinstance(device, str) else device
    weights = (pretrained or Pretrained()).find
    tools = Networks(device, weights)
    extractors = {name: load(entries[name].build)(device, weights) for name in {*work.reference, *work.candidate}}
    values = {name: np.empty(sum(len(array) for array in reference)) for name in work.pairs}
    with ExitStack() as stack, _without_tf32():
        passes = (
            _SetPass("reference", reference if work.pairs or work.reference else (), work.reference, extractors, stack),
            _SetPass("candidate", candidate if work.pairs or work.candidate else (), work.candidate, extractors, stack),
        )
        total = sum(one_pass.count for one_pass in passes)
        advance: Advance = stack.enter_context(progress("measure", total))
        for one, other in zip_longest(passes[0].batches(batch), passes[1].batches(batch)):
            for one_pass, found in ((passes[0], one), (passes[1], other)):
                if found is not None:
                    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                        one_pass.extract(*found)
                    advance(len(found[0]))
            found = _once(work.pairs.values(), one, other, device, tools) if work.pairs else {}
            for name, function in work.pairs.items():
                values[name][one[0]] = found[function]
        for one_pass in passes:
            for writer in one_pass.writers():
                writer.finish()
    return values


def _once(
    formulas: Iterable[PairFormula],
    one: tuple[np.ndarray, Tensor],
    other: tuple[np.ndarray, Tensor],
    device: torch.device,
    tools: Networks,
) -> dict[PairFormula, np.ndarray]:
    """Each formula's values of a batch, once for all metrics that share it."""
    reference, candidate = one[1].to(device), other[1].to(device)
    return {formula: formula(reference, candidate, tools) for formula in dict.fromkeys(formulas)}


@contextmanager
def _without_tf32() -> Iterator[None]:
    """Convolutions in float32 proper: cuDNN would take TF32 by default, which no signature says."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
