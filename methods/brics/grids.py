"""Groups of dense multi-resolution feature grids, looked up trilinearly.

Müller et al. 2022, "Instant Neural Graphics Primitives" (arXiv 2201.05989), section 3, with tables that wrap around
instead of being hashed. A lookup runs on ``grid_sample``. On a CPU it was faster than gathering corners at every size
measured, and at the published size far faster than a lookup that is separable in position and key; at ``small`` the
separable one has the faster forward pass and no clear advantage with the backward pass
(``tests/benchmarks/brics_lookup.py``). Only a table that does not hold its whole cube is gathered from: written out,
the largest published one would take gigabytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.brics.modulation import full_precision
from methods.brics.presets import GridSettings


@dataclass(frozen=True)
class Level:
    """One resolution: a cube of ``cells + 1`` nodes a side, of which at most ``entries`` are stored.

    A coordinate u in [0, 1] lies at node ``u * scale + 0.5``; the half keeps it inside, half a cell from either end.
    """

    scale: float
    cells: int
    entries: int

    @property
    def nodes(self) -> int:
        return (self.cells + 1) ** 3


def levels(settings: GridSettings) -> tuple[Level, ...]:
    """Resolutions in geometric progression (Müller et al., equations 2 and 3), entries in multiples of eight.

    The ceiling is taken of the double-precision product without any tolerance, so that a level meant to be a power of
    two may come out one cell larger, as it does in the implementations in use; parameter counts depend on it.
    """
    ratio = settings.finest / settings.coarsest
    growth = 2 ** (math.log2(ratio) / (settings.levels - 1)) if settings.levels > 1 else 1.0
    result = []
    for number in range(settings.levels):
        size = settings.coarsest * growth**number
        cells = math.ceil(size)
        entries = min(2**settings.table_log2, math.ceil((cells + 1) ** 3 / 8) * 8)
        result.append(Level(size - 1, cells, entries))
    return tuple(result)


class Grids(nn.Module):
    """``groups`` independent grids of equal shape over (x, y, key), every coordinate in [0, 1].

    Each level is one parameter ``[groups, channels, entries]``; node (x, y, key) is entry
    ``(x + y * n + key * n^2) mod entries`` with ``n = cells + 1``.
    """

    def __init__(self, settings: GridSettings, groups: int) -> None:
        super().__init__()
        self.levels = levels(settings)
        self.groups = groups
        self.channels = settings.levels * settings.channels
        self.tables = nn.ParameterList(
            torch.empty(groups, settings.channels, level.entries).uniform_(-settings.init, settings.init)
            for level in self.levels
        )

    def forward(self, points: Tensor) -> Tensor:
        """``points`` float ``[groups, M, 3]`` as (x, y, key) to features float32 ``[groups, levels * channels, M]``.

        Always in float32: in bfloat16 a key would keep fewer digits than the finest grid has cells. Differentiable in
        the points and in the tables, once.
        """
        with full_precision(points.device):
            found = [
                (_gathered if level.nodes > level.entries else _sampled)(table.float(), level, points.float())
                for table, level in zip(self.tables, self.levels, strict=True)
            ]
            return torch.cat(found, dim=1)


def _sampled(table: Tensor, level: Level, points: Tensor) -> Tensor:
    """Trilinear interpolation in a table that holds its whole cube; ``[groups, channels, M]``."""
    side = level.cells + 1
    cube = table[..., : level.nodes].reshape(*table.shape[:2], side, side, side)
    node = points * level.scale + 0.5
    where = (node * (2 / level.cells) - 1)[:, None, None]
    return F.grid_sample(cube, where, mode="bilinear", align_corners=True).flatten(2)


def _gathered(table: Tensor, level: Level, points: Tensor) -> Tensor:
    """The same in a table that is smaller than its cube and wraps around; ``[groups, channels, M]``."""
    side = level.cells + 1
    node = points * level.scale + 0.5
    low = node.detach().floor().clamp(max=level.cells - 1)
    high_share = node - low
    result = table.new_zeros(())
    for corner in range(8):
        bits = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2], device=points.device)
        x, y, key = (low.long() + bits).unbind(-1)
        entry = (x + y * side + key * side**2) % level.entries
        values = table.gather(2, entry[:, None].expand(-1, table.shape[1], -1))
        share = torch.where(bits.bool(), high_share, 1 - high_share).prod(-1)
        result = result + values * share[:, None]
    return result
