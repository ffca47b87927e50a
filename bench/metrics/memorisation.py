"""Memorisation: for samples, the nearest images of the whole training set, by feature distance and by LPIPS.

A prior that repeats its training images has good Fréchet distances. What counts as a copy is calibrated on held-out
images: nobody has copied those, and still each has a nearest training image, some of them (flat or dark ones, and
duplicates within the dataset) a very near one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from bench.core.images import ImageArray
from bench.errors import UsageError
from bench.pretrained.lpips import Backbone, lpips_network

if TYPE_CHECKING:
    from torch import nn

    from bench.core.progress import Progress

ROWS = 4096
"""Feature vectors that are compared at once."""

DENSITY = 50
"""How many nearest training images tell how dense the training set is around an image (Carlini et al. 2023)."""

COPY = 0.2
"""An image is suspected to be a copy when its relative distance is below this share of the held-out images' median."""

SURE = 0.01
"""The largest probability of a false warning: Fisher's exact test of more suspects among samples than held-out."""


@dataclass(frozen=True)
class Neighbours:
    """For every sample the numbers of the nearest images, int64 ``[N, k]``, and their distances, float64 ``[N, k]``."""

    indices: np.ndarray
    distances: np.ndarray


def relative(neighbours: Neighbours) -> np.ndarray:
    """The distance to the nearest image over the mean distance to the ``k`` nearest, float64 ``[N]``, at most 1.

    Flat and dark images are near to many; a copy is nearer to one than to all others.
    """
    mean = neighbours.distances.mean(axis=1)
    shares: np.ndarray = np.divide(neighbours.distances[:, 0], mean, out=np.zeros_like(mean), where=mean > 0)
    return shares


@dataclass(frozen=True)
class Verdict:
    """The numbers of the suspected samples, how many held-out images are as suspect, and a warning or None."""

    suspects: np.ndarray
    held_out: int
    warning: str | None


def verdict(samples: Neighbours, held_out: Neighbours, duplicates: int = 0) -> Verdict:
    """Whether samples repeat training images more often than held-out images do by chance.

    ``duplicates`` counts the samples that equal a training image in every pixel; one is enough for a warning.
    """
    from scipy.stats import fisher_exact

    limit = COPY * np.median(relative(held_out))
    suspects, expected = np.flatnonzero(relative(samples) < limit), int((relative(held_out) < limit).sum())
    count, others = len(samples.indices), len(held_out.indices)
    table = [[len(suspects), count - len(suspects)], [expected, others - expected]]
    sure = fisher_exact(table, alternative="greater").pvalue < SURE
    warning = None
    if duplicates or sure:
        warning = (
            f"{len(suspects)} of {count} samples are suspected copies of training images ({duplicates} equal one in "
            f"every pixel), against {expected} of {others} held-out images; look at the neighbours."
        )
    return Verdict(suspects, expected, warning)


def search(queries: Tensor, blocks: Iterable[Tensor], k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` nearest rows of all blocks together, nearest first: numbers int64 and squared distances ``[N, k]``.

    ``queries`` is float ``[N, D]``, each block ``[B, D]``; only one block is held at a time.
    """
    best = torch.full((len(queries), k), torch.inf, device=queries.device, dtype=queries.dtype)
    numbers = torch.full((len(queries), k), -1, device=queries.device)
    lengths, first = queries.square().sum(1, keepdim=True), 0
    for block in blocks:
        squared = (lengths - 2 * queries @ block.T + block.square().sum(1)).clamp(min=0)
        own = torch.arange(first, first + len(block), device=queries.device).expand(len(queries), -1)
        best, order = torch.cat([best, squared], 1).topk(k, dim=1, largest=False)
        numbers = torch.cat([numbers, own], 1).gather(1, order)
        first += len(block)
    return numbers, best


def by_features(queries: np.ndarray, train: np.ndarray, k: int = 1) -> Neighbours:
    """Nearest by Euclidean distance of feature vectors, float32 ``[N, D]`` and ``[M, D]``; needs ``k`` <= M."""
    _check_count(len(train), k)
    centre = np.asarray(train[:ROWS], np.float64).mean(0)
    found = []
    for start in range(0, len(queries), ROWS):
        part = torch.from_numpy(queries[start : start + ROWS] - centre)
        blocks = (torch.from_numpy(train[i : i + ROWS] - centre) for i in range(0, len(train), ROWS))
        found.append(search(part, blocks, k))
    return _joined(found, lambda squared: squared.sqrt())


def by_lpips(
    samples: ImageArray,
    train: ImageArray,
    backbone: Backbone,
    device: torch.device,
    batch: int,
    progress: Progress,
    k: int = 1,
    network: nn.Module | None = None,
) -> Neighbours:
    """Nearest by LPIPS among all training images, which have the samples' size. Memory grows with the samples alone.

    Raises :class:`bench.errors.Missing` where the backbone's weights are absent.
    """
    _check_count(len(train), k)
    network = lpips_network(backbone, device) if network is None else network
    with torch.inference_mode(), progress("neighbours", len(train)) as advance:

        def embedded(images: ImageArray, tell: Callable[[int], None]) -> Iterator[Tensor]:
            for start in range(0, len(images), batch):
                pixels = torch.from_numpy(np.array(images.pixels[start : start + batch])).to(device)
                yield lpips_vectors(network, pixels)
                tell(len(pixels))

        queries = torch.cat(list(embedded(samples, lambda count: None)))
        return _joined([search(queries, embedded(train, advance), k)], lambda squared: squared)


def lpips_vectors(network: nn.Module, images: Tensor) -> Tensor:
    """Images uint8 ``[N, 3, H, W]`` as vectors whose squared distances are LPIPS (Zhang et al. 2018, equation 1).

    LPIPS averages, over positions, w_c times the squared difference of unit-length features; so the features times
    sqrt(w_c / (H W)), end to end over the layers, are such vectors.
    """
    from lpips import normalize_tensor

    scaled = network.get_submodule("scaling_layer")(images.float() / 127.5 - 1)
    layers = network.get_submodule("net")(scaled)
    pieces = []
    for layer, head in zip(layers, cast("Iterable[nn.Module]", network.get_submodule("lins")), strict=True):
        weight = head.get_parameter(f"model.{len(list(head.get_submodule('model').children())) - 1}.weight")
        pieces.append((normalize_tensor(layer) * (weight / layer[0, 0].numel()).sqrt()).flatten(1))
    return torch.cat(pieces, 1)


def _joined(found: list[tuple[Tensor, Tensor]], distance: Callable[[Tensor], Tensor]) -> Neighbours:
    numbers = torch.cat([part[0] for part in found]).cpu().numpy()
    squared = torch.cat([part[1] for part in found]).double()
    return Neighbours(numbers, distance(squared).cpu().numpy())


def _check_count(count: int, k: int) -> None:
    if count < k:
        raise UsageError(f"{count} training images have no {k} nearest; train on more of them.")
