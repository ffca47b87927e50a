"""The entry of ``downsample:G``; the simplest example of the contract."""

from __future__ import annotations

from dataclasses import dataclass

from bench.contract import FixedSize, MethodEntry, MultiplesOf, Takes
from bench.errors import UsageError

DEFAULT_GRID = {"smoke": 4, "small": 8, "medium": 16, "paper": 16}


@dataclass(frozen=True)
class Settings:
    """``grid``: cells along one side of the reduced image."""

    grid: int

    def __post_init__(self) -> None:
        if self.grid < 1:
            raise UsageError(f"downsample: the grid is {self.grid}; it must have at least one cell.")


def settings(preset: str, variant: str | None) -> Settings:
    """The variant is the grid's side, by default that of the preset's vector-quantised methods."""
    if variant is None:
        return Settings(DEFAULT_GRID[preset])
    if not variant.isdecimal():
        raise UsageError(f"'downsample:{variant}': the variant is the grid's side in cells, for example downsample:8.")
    return Settings(int(variant))


def takes(settings: Settings, size: tuple[int, int]) -> Takes:
    """Multiples of a cell's side, where that is whole: a larger image has more cells, each as large as before."""
    cell, rest = divmod(size[0], settings.grid)
    return FixedSize(*size) if rest or not cell else MultiplesOf(cell, cell)


ENTRY = MethodEntry(
    name="downsample",
    title="Downsample",
    summary="Area reduction to G x G cells of 24 bits, bicubic enlargement; no training",
    code="methods.downsample.method:METHOD",
    settings=settings,
    takes=takes,
)
