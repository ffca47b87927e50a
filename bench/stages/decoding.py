"""Decoding with the noise of a method's paper, for the rows that ask for it (``noise=true``)."""

from __future__ import annotations

from typing import Any

from bench import registry, seeding
from bench.plan import Cell


def recipe(cell: Cell) -> dict[str, Any]:
    """What a recipe says of noise: nothing where there is none, so that it is the recipe from before noise existed."""
    return {"noise": True} if cell.decoding.noise else {}


def facts(cell: Cell) -> dict[str, Any]:
    """What a result says of noise: the standard deviations by name, nothing where there is none."""
    if not cell.decoding.noise:
        return {}
    return {"decoding_noise": dict(registry.load(str(cell.entry.decoding_noise))(cell.settings))}


def seed(cell: Cell) -> int | None:
    """The seed of the reconstructions' noise, to which an image's number is added; None for no noise."""
    return seeding.derive(cell.seed, "decoding") if cell.decoding.noise else None
