"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020), in bounded memory.

A ball around every image reaches to its k-th nearest neighbour of the same set; balls are closed. Squared distances of
whole blocks are estimated in float32 on features minus the reference mean; whatever the rounding error leaves undecided
is computed again in float64. The answer is that of float64 brute force, unless the protocol asks for the rounded
distances of a tool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import UsageError
from bench.metrics import half_distances
from bench.metrics.entries import MetricEntry, MetricProtocol, SetFormula
from bench.metrics.feature_cache import Features
from bench.results.record import Tolerance

if TYPE_CHECKING:
    from torch import Tensor

DENSITY_NEIGHBOURS = 5
"""The k of density and coverage; their values at another k are other numbers, and have no name here."""
BLOCK = 256
"""Rows of a block of distances; a block is ``[BLOCK, N]``."""
PAIRS = 4096
"""Pairs whose exact distances are computed at once."""
SPARE = 8
"""Neighbours looked at beyond the k-th before a row is searched whole."""


def precision_recall(reference: Features, candidate: Features, protocol: MetricProtocol) -> Mapping[str, float]:
    """``{"precision", "recall"}`` with k = ``protocol.neighbours`` (Kynkäänniemi et al., eqs. 1 and 2)."""
    import torch

    k = protocol.neighbours
    for features in (reference, candidate):
        _check_count(features, k)
    if protocol.distances == "float16":
        return half_distances.precision_recall(reference.vectors, candidate.vectors, k)
    real, fake = _clouds(reference, candidate)
    real_radii, fake_radii = _squared_radii(real, k), _squared_radii(fake, k)
    recalled = np.zeros(real.count, dtype=bool)
    precise = 0
    for rows in _blocks(fake.count):
        block = _Block(fake, rows, real)
        precise += int(block.within(torch.from_numpy(real_radii)[None]).any(dim=1).sum())
        recalled |= block.within(torch.from_numpy(fake_radii[rows])[:, None]).any(dim=0).numpy()
    return {"precision": precise / fake.count, "recall": float(recalled.mean())}


def density_coverage(reference: Features, candidate: Features, protocol: MetricProtocol) -> Mapping[str, float]:
    """``{"density", "coverage"}`` with k = 5, as their paper reports them (Naeem et al., eqs. 4 and 5)."""
    import torch

    _check_count(reference, DENSITY_NEIGHBOURS)
    real, fake = _clouds(reference, candidate)
    radii = torch.from_numpy(_squared_radii(real, DENSITY_NEIGHBOURS))[None]
    covered = np.zeros(real.count, dtype=bool)
    balls = 0
    for rows in _blocks(fake.count):
        inside = _Block(fake, rows, real).within(radii)
        balls += int(inside.sum())
        covered |= inside.any(dim=0).numpy()
    return {"density": balls / (DENSITY_NEIGHBOURS * fake.count), "coverage": float(covered.mean())}


def _check_count(features: Features, k: int) -> None:
    if len(features.vectors) <= k:
        raise UsageError(f"{features.name} holds {features.count} images; k = {k} needs at least {k + 1}.")


def _clouds(reference: Features, candidate: Features) -> tuple[_Cloud, _Cloud]:
    mean = _mean(reference)
    return _Cloud(reference, mean), _Cloud(candidate, mean)


def _mean(reference: Features) -> np.ndarray:
    vectors = reference.vectors
    total = np.zeros(vectors.shape[1])
    for rows in _blocks(len(vectors)):
        total += vectors[rows].sum(axis=0, dtype=np.float64)
    return total / len(vectors)


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))


@dataclass(frozen=True)
class _Cloud:
    """A set of points: exact float32 ``values [N, D]`` and the float64 ``mean`` that is taken off before products."""

    features: Features
    mean: np.ndarray

    @property
    def count(self) -> int:
        return self.features.count

    @cached_property
    def centred(self) -> Tensor:
        """Float32 ``[N, D]``."""
        import torch

        centred = np.empty(self.features.vectors.shape, dtype=np.float32)
        for rows in _blocks(self.count):
            centred[rows] = self.features.vectors[rows] - self.mean
        return torch.from_numpy(centred)

    @cached_property
    def norms(self) -> Tensor:
        """Squared lengths of the centred points, float32 ``[N]``."""
        import torch

        return torch.cat([self.centred[rows].square().sum(dim=1) for rows in _blocks(self.count)])

    def exact(self, rows: np.ndarray) -> np.ndarray:
        """Float64 ``[len(rows), D]``, as they are."""
        return np.asarray(self.features.vectors[rows], dtype=np.float64)


class _Block:
    """Squared distances of some rows of one cloud to all of another, and how far float32 may be wrong about them."""

    def __init__(self, one: _Cloud, rows: slice, other: _Cloud) -> None:
        import torch

        self._one, self._rows, self._other = one, rows, other
        norms = one.norms[rows, None]
        self.estimate = torch.addmm(other.norms[None], one.centred[rows], other.centred.T, alpha=-2).add_(norms)
        reach = norms.double().sqrt() + other.norms.max().double().sqrt()
        # A float32 product over D values is off by at most about D halves of eps times both lengths; 16 more cover the
        # sums around it. Generous is fine: a pair too many is computed again, a pair too few would be a wrong number.
        unit = torch.finfo(torch.float32).eps / 2 * (one.features.dimensions + 16)
        self.error = (unit * reach.square()).float()

    def within(self, squared_radii: Tensor) -> Tensor:
        """Bool ``[rows, N]``: exact squared distance <= ``squared_radii`` (float64, broadcast)."""
        import torch

        # Only pairs that are nearer to the radius than the estimate may be off are worth float64.
        gap = self.estimate - squared_radii.float()
        sure = gap < -self.error
        rows, columns = (gap.abs_() <= self.error).nonzero(as_tuple=True)
        if len(rows):
            radii = squared_radii.expand(self.estimate.shape)[rows, columns].numpy()
            distances = self.exact(rows.numpy(), columns.numpy())
            sure[rows, columns] = torch.from_numpy(distances <= radii)
        return sure

    def exact(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Float64 squared distances of pairs (row of the block, column)."""
        distances = np.empty(len(rows))
        for start in range(0, len(rows), PAIRS):
            part = slice(start, start + PAIRS)
            one = self._one.exact(rows[part] + self._rows.start)
            distances[part] = ((one - self._other.exact(columns[part])) ** 2).sum(axis=1)
        return distances


def _squared_radii(cloud: _Cloud, k: int) -> np.ndarray:
    """Float64 ``[N]``: squared distance to the k-th nearest other point of the same cloud."""
    return np.concatenate([_block_radii(_Block(cloud, rows, cloud), rows, k) for rows in _blocks(cloud.count)])


def _block_radii(block: _Block, rows: slice, k: int) -> np.ndarray:
    import torch

    index = torch.arange(rows.stop - rows.start)
    # An image is no neighbour of itself.
    block.estimate[index, index + rows.start] = torch.inf
    count = min(k + SPARE, block.estimate.shape[1])
    nearest, columns = block.estimate.topk(count, dim=1, largest=False, sorted=True)
    limit = nearest[:, k - 1 : k] + 2 * block.error
    near_rows, near = ((nearest <= limit) & (nearest < torch.inf)).numpy().nonzero()
    exact = np.full(nearest.shape, np.inf)
    exact[near_rows, near] = block.exact(near_rows, columns.numpy()[near_rows, near])
    radii = np.partition(exact, k - 1, axis=1)[:, k - 1]
    # Where even the last neighbour looked at may lie within the limit there may be more behind it (many equal images).
    for row in (nearest[:, -1] <= limit[:, 0]).nonzero().flatten().tolist():
        found = (block.estimate[row] <= limit[row]).nonzero().flatten().numpy()
        distances = block.exact(np.full(len(found), row), found)
        radii[row] = np.partition(distances, k - 1)[k - 1]
    return radii


def _row(
    number: str, function: SetFormula, settings: tuple[str, ...], convention: Mapping[str, int], where: _Where
) -> MetricEntry:
    return MetricEntry(
        name=f"{number}{where.suffix}",
        title=number.capitalize() + where.suffix.replace("-", " ").upper(),
        kind="set",
        higher_is_better=True,
        unit="",
        decimals=3,
        place=where.place,
        function=function,
        tolerance=Tolerance(0.01),
        features=where.features,
        number=number,
        settings=settings,
        convention={"balls": "closed", **convention},
    )


@dataclass(frozen=True)
class _Where:
    """The features that four rows are measured on."""

    features: str
    suffix: str
    place: int


def _rows(where: _Where) -> tuple[MetricEntry, ...]:
    pairs = (_row(n, precision_recall, ("neighbours", "distances"), {}, where) for n in ("precision", "recall"))
    fixed = {"neighbours": DENSITY_NEIGHBOURS}
    return (*pairs, *(_row(n, density_coverage, (), fixed, where) for n in ("density", "coverage")))


ROWS = (*_rows(_Where("prdc", "", 70)), *_rows(_Where("r64.fc2", "-r64", 80)))
