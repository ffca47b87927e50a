"""What a cell's tokenizer is given: images of the preset's size, or under ``--protocol native`` of many. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.contract import FixedSize, Takes
from bench.core import native
from bench.data import sized
from bench.evaluate import fitting
from bench.run import tokenizers
from bench.run.cells import Cell
from bench.run.forecast import size as amount

if TYPE_CHECKING:
    from bench.run.job import Job


def takes(cell: Cell, side: int) -> Takes:
    """Which images the tokenizer takes that is built for squares of ``side`` pixels."""
    given = cell.entry.takes
    if given is None:
        return FixedSize(side, side)
    return given(cell.settings, (side, side)) if callable(given) else given


def of(job: Job) -> Takes:
    """:func:`takes` of the job's cell, built at the preset's size."""
    return takes(job.cell, job.session.preset.resolution)


def unfit(job: Job) -> str | None:
    """Why the validation images cannot be given to the cell's tokenizer; None where they can."""
    has_tokenizer = tokenizers.not_applicable(job.cell) is None
    return fitting.unfit(of(job), sized.sizes(job.session.val)) if has_tokenizer else None


def recipe(job: Job) -> dict[str, Any]:
    """What recipes say of the padding: nothing where no image is padded."""
    padding = fitting.facts(of(job), sized.sizes(job.session.val))
    return {"padded_to": padding["padding"]["to_multiples_of"]} if padding else {}


def facts(job: Job) -> dict[str, Any]:
    """What a result says of the sizes: of the images where they are native, of the training, of the padding."""
    session, found = job.session, sized.sizes(job.session.val)
    side = session.preset.resolution
    padding = fitting.facts(of(job), found)
    if not native.is_native(session.dataset.protocol):
        return padding
    trained = {"trained_at": [side, side]} if tokenizers.not_trained(job.cell) is None else {}
    return {"protocol": session.dataset.protocol, "image_sizes": sized.said(found), **trained, **padding}


def first_coded(job: Job) -> dict[str, Any]:
    """Under ``native``, the (height, width) of the first image that was encoded, whose grid a result says."""
    session = job.session
    if not native.is_native(session.dataset.protocol):
        return {}
    found = sized.sizes(session.val)
    first = sized.plan(found, session.batch())[0][:1]
    return {"coded_size": fitting.padded_sizes(of(job), found[first])[0].tolist()}


def problems(jobs: Sequence[Job]) -> list[str]:
    """Which cells' attention over the largest image needs more memory than there is, with the remedy."""
    from bench.core.devices import free_memory

    found: list[str] = []
    for job in jobs:
        session = job.session
        if not native.is_native(session.dataset.protocol) or "recon" not in job.cell.stages or unfit(job) is not None:
            continue
        if tokenizers.not_applicable(job.cell) is not None:
            continue
        sizes = sized.sizes(session.val)
        needed = fitting.attention_bytes(of(job), sizes, keeps_maps=job.device.type != "cuda")
        free, name = free_memory(job.device) if needed else (None, "")
        if free is not None and needed > free:
            largest = sizes[sizes.prod(axis=1).argmax()]
            # Tokens go with the area, and memory with their square; the rest is for what else the network holds.
            side = int(0.8 * largest.max() * (free / needed) ** 0.25)
            found.append(
                f"'{job.cell.label}': self-attention over the largest image, {largest[1]}x{largest[0]} pixels, needs "
                f"about {amount(needed)} of memory, but {name} has {amount(free)}; add --protocol native:{side}, "
                "or leave the method out."
            )
    return list(dict.fromkeys(found))
