"""The stages of a cell. Each module has ``not_applicable``, ``recipe`` and ``run``; the table is the order.

- ``not_applicable(cell) -> str | None``: why the stage does not apply to the method; it needs no data to know.
- ``recipe(job) -> dict``: everything beside the code that decides the outcome, as plain values.
- ``run(job) -> Outcome``: the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.core import digest, registry
from bench.run import code
from bench.run.cells import Cell
from bench.run.job import Job
from bench.run.session import Outcome


@dataclass(frozen=True)
class Stage:
    """One stage, loaded."""

    name: str
    not_applicable: Callable[[Cell], str | None]
    recipe: Callable[[Job], dict[str, Any]]
    run: Callable[[Job], Outcome]

    def key(self, job: Job) -> str:
        """The digest of the recipe and of all code behind the outcome; a training's recipe has its code in it.

        The key of a training names the folder of its weights, by which ``@RESULT`` finds them.
        """
        if self.name == "train":
            return digest.of_value(self.recipe(job))
        made_by = code.of_stage(self.name, job.cell.entry, job.session)
        return digest.of_value({**self.recipe(job), "code of the result": made_by})


def stage(name: str) -> Stage:
    """The stage of that name, its module imported now."""
    module = f"bench.run.stages.{name}"
    return Stage(name, *(registry.load(f"{module}:{attribute}") for attribute in ("not_applicable", "recipe", "run")))
