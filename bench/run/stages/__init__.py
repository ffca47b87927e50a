"""The stages of a cell. Each module has ``VERSION``, ``obstacle``, ``recipe`` and ``run``; the table is the order.

- ``obstacle(cell) -> str | None``: why the stage does not apply to the method.
- ``recipe(cell, session) -> dict``: everything that decides the outcome, as plain values; its digest is the key.
- ``run(cell, session) -> Outcome``: the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.core import digest, registry
from bench.run.cells import Cell
from bench.run.session import Outcome, Session


@dataclass(frozen=True)
class Stage:
    """One stage, loaded."""

    obstacle: Callable[[Cell], str | None]
    recipe: Callable[[Cell, Session], dict[str, Any]]
    run: Callable[[Cell, Session], Outcome]

    def key(self, cell: Cell, session: Session) -> str:
        """The digest of the recipe."""
        return digest.of_value(self.recipe(cell, session))


def stage(name: str) -> Stage:
    """The stage of that name, its module imported now."""
    module = f"bench.run.stages.{name}"
    return Stage(*(registry.load(f"{module}:{attribute}") for attribute in ("obstacle", "recipe", "run")))
