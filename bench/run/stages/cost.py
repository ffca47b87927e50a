"""What the tokenizer costs: parameters and operations, counted on meta tensors. Needs no training and no weights."""

from __future__ import annotations

from typing import Any

from bench.run.cells import Cell
from bench.run.job import Job
from bench.run.session import Outcome
from bench.run.settings import settings_until, variant_of


def not_applicable(cell: Cell) -> str | None:
    """Methods that name no parts cannot be counted."""
    return None if cell.code.parts else "it names no parts to count"


def recipe(job: Job) -> dict[str, Any]:
    """Method, settings and resolution."""
    return {
        "stage": "cost",
        "method": job.cell.method.name,
        "settings": settings_until(job.cell.settings, "train"),
        "resolution": job.session.preset.resolution,
    }


def run(job: Job) -> Outcome:
    """Counts the parts that the method names."""
    import torch

    from bench.core.distributed import Alone
    from bench.evaluate.cost import count_parts

    build, parts = job.build(torch.device("meta"), Alone()), job.cell.code.parts
    assert parts is not None, "the stage does not apply to a cell without parts"
    with torch.device("meta"):
        built = parts(job.cell.settings, build)
    counted = count_parts(built)
    variant = variant_of(job.cell.method, job.cell.entry, job.session.preset.name, job.cell.settings)
    return Outcome(counted.measurements, facts={**counted.facts, **({"variant": variant} if variant else {})})
