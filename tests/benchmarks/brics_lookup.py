"""Three ways to look up groups of grids at (x, y, key), with x and y on a fixed raster: which is fastest?

    python tests/benchmarks/brics_lookup.py [--threads 2] [--repeats 5]

- grid_sample: one trilinear ``grid_sample`` per level, all groups at once (what :mod:`methods.brics.grids` does).
- gather: the eight corners with their weights through one ``embedding_bag`` per level.
- separable: bilinear in x and y once for all keys (two matrix products), then two rows per query.

All three give the same numbers. Prints milliseconds of a forward pass, and of one with its backward pass.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.brics.grids import Grids, Level
from methods.brics.presets import GridSettings, settings


def raster(side: int) -> Tensor:
    return (torch.arange(side) + 0.5) / side


def by_grid_sample(grids: Grids, keys: Tensor, side: int) -> Tensor:
    """``keys`` ``[G, N, side^2]`` to ``[G, N, side^2, F]``, as the others."""
    groups, n, pixels = keys.shape
    x, y = raster(side).repeat(side), raster(side).repeat_interleave(side)
    points = torch.stack([x.expand_as(keys), y.expand_as(keys), keys], -1).flatten(1, 2)
    return grids(points).reshape(groups, -1, n, pixels).permute(0, 2, 3, 1)


def corners(level: Level, side: int) -> tuple[Tensor, Tensor]:
    """Entries and weights of the four (x, y) corners of every pixel: ``[side^2, 4]``."""
    node = raster(side) * level.scale + 0.5
    low = node.floor().clamp(max=level.cells - 1)
    both = torch.stack([low, low + 1], -1).long()
    share = torch.stack([1 - (node - low), node - low], -1)
    entries = both[:, None, :, None] * (level.cells + 1) + both[None, :, None, :]
    return entries.reshape(-1, 4), (share[:, None, :, None] * share[None, :, None, :]).reshape(-1, 4)


def by_gather(grids: Grids, keys: Tensor, side: int) -> Tensor:
    groups, n, pixels = keys.shape
    found = []
    for table, level in zip(grids.tables, grids.levels, strict=True):
        entries, shares = corners(level, side)
        node = keys * level.scale + 0.5
        low = node.detach().floor().clamp(max=level.cells - 1)
        share = torch.stack([1 - (node - low), node - low], -1)
        plane = torch.stack([low, low + 1], -1).long() * (level.cells + 1) ** 2
        index = (entries[:, :, None] + plane[..., None, :]) % level.entries
        index = index + (torch.arange(groups) * level.entries).reshape(-1, 1, 1, 1, 1)
        weight = shares[:, :, None] * share[..., None, :]
        rows = table.transpose(1, 2).flatten(0, 1)
        bags = F.embedding_bag(index.reshape(-1, 8), rows, per_sample_weights=weight.reshape(-1, 8), mode="sum")
        found.append(bags.reshape(groups, n, pixels, -1))
    return torch.cat(found, -1)


def by_separation(grids: Grids, keys: Tensor, side: int) -> Tensor:
    groups, _, pixels = keys.shape
    found = []
    for table, level in zip(grids.tables, grids.levels, strict=True):
        nodes = level.cells + 1
        wrapped = torch.cat([table, table[..., : max(level.nodes - level.entries, 0)]], -1)[..., : level.nodes]
        cube = wrapped.reshape(groups, -1, nodes, nodes, nodes)
        hat = (1 - (raster(side)[:, None] * level.scale + 0.5 - torch.arange(nodes)).abs()).clamp(min=0)
        columns = torch.einsum("ym,xn,gfkmn->gyxkf", hat, hat, cube).reshape(groups * pixels * nodes, -1)
        node = keys * level.scale + 0.5
        low = node.detach().floor().clamp(max=level.cells - 1)
        start = torch.arange(groups * pixels).reshape(groups, 1, pixels) * nodes + low.long()
        one, other = F.embedding(start, columns), F.embedding(start + 1, columns)
        found.append(torch.lerp(one, other, (node - low)[..., None]))
    return torch.cat(found, -1)


def milliseconds(run: Callable[[], object], repeats: int) -> float:
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def compare(title: str, grid: GridSettings, side: int, groups: int, batch: int, repeats: int) -> None:
    torch.manual_seed(0)
    grids = Grids(replace(grid, init=1.0), groups)
    keys = torch.rand(groups, batch, side**2)
    ways = {"grid_sample": by_grid_sample, "gather": by_gather, "separable": by_separation}
    wanted = by_grid_sample(grids, keys, side)
    print(title)
    for name, way in ways.items():
        torch.testing.assert_close(way(grids, keys, side), wanted, rtol=1e-3, atol=1e-3)
        with torch.no_grad():
            forward = milliseconds(lambda way=way: way(grids, keys, side), repeats)
        asked = keys.clone().requires_grad_(True)
        both = milliseconds(lambda way=way, asked=asked: way(grids, asked, side).square().sum().backward(), repeats)
        print(f"  {name:12} forward {forward:8.1f} ms   with backward {both:8.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    small, paper = settings("small", None), settings("paper", None)
    compare("paper 64x64x4, one image", paper.grids, 64, 4, 1, chosen.repeats)
    compare("small 16x16x4, 16 images", small.grids, 16, 4, 16, chosen.repeats)


if __name__ == "__main__":
    main()
