"""What the tokenizer costs: parameters and operations, counted on meta tensors. Needs no training and no weights."""

from __future__ import annotations

from typing import Any

from bench.run.cells import Cell
from bench.run.session import Outcome, Session
from bench.run.settings import settings_until, variant_of

VERSION = 1


def obstacle(cell: Cell) -> str | None:
    """Methods that name no parts cannot be counted."""
    return None if cell.code.parts else "it names no parts to count"


def recipe(cell: Cell, session: Session) -> dict[str, Any]:
    """Method, settings and resolution."""
    return {
        "stage": "cost",
        "version": VERSION,
        "method": cell.method.name,
        "settings": settings_until(cell.settings, "train"),
        "resolution": session.preset.resolution,
    }


def run(cell: Cell, session: Session) -> Outcome:
    """Counts the parts that the method names."""
    import torch

    from bench.core.distributed import Alone
    from bench.evaluate.cost import census

    build, parts = session.build(cell.seed, torch.device("meta"), Alone()), cell.code.parts
    assert parts is not None, "a cell without parts has an obstacle"
    with torch.device("meta"):
        built = parts(cell.settings, build)
    counted = census(built)
    variant = variant_of(cell.method, cell.entry, session.preset.name, cell.settings)
    return Outcome(counted.measurements, facts={**counted.facts, **({"variant": variant} if variant else {})})
