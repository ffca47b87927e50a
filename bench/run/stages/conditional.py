"""Conditional generation (``--task``): what a sample is given, and the images that its numbers stand beside.

The sample of seed s continues validation image s modulo their number. Beside the samples stand what was given
(``given-``: a low-resolution or grey image) and the validation images themselves (``original-``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.contract import Codes, Condition, Seeds, Tokenizer
from bench.core import digest
from bench.core.images import ImageArray
from bench.run import code
from bench.run.cells import Cell
from bench.run.job import Job
from bench.run.session import head

if TYPE_CHECKING:
    from torch import Tensor

    from bench.data.frozen import Frozen


def not_applicable(cell: Cell) -> str | None:
    """Why the cell's task does not apply to its method; None where it does or where there is no task."""
    if cell.task is None:
        return None
    prior = cell.code.prior
    known = prior.tasks(cell.settings) if prior is not None and prior.tasks is not None else {}
    if cell.task not in known:
        has = f"there are: {', '.join(known)}" if known else "it draws freely only"
        return f"it has no task '{cell.task}'; {has}"
    needed = known[cell.task]
    return None if needed is None else f"the task '{cell.task}' needs the option {needed}"


def condition(job: Job, tokenizer: Tokenizer) -> Callable[[Sequence[int]], Condition]:
    """From the seeds of a block to what its samples are given."""
    shown = Given(tokenizer, job.cell)

    def of(seeds: Sequence[int]) -> Condition:
        import torch

        rows = np.array([seed % len(job.session.held_out) for seed in seeds])
        pixels = torch.from_numpy(job.session.held_out.pixels[rows]).to(job.device)
        return Condition(codes=shown.encode(pixels), task=job.cell.task)

    return of


@dataclass(frozen=True)
class Given:
    """The tokenizer, with codes cut down to what the task gives."""

    tokenizer: Tokenizer
    cell: Cell

    @property
    def revision(self) -> str:
        """Digest of the tokenizer and the task."""
        return digest.of_value([self.tokenizer.revision, self.cell.task])

    def encode(self, images: Tensor) -> Codes:
        """The given part of the images' codes."""
        cell, prior = self.cell, self.cell.code.prior
        cut = None if prior is None else prior.given
        assert cut is not None, "a cell without such a task has an obstacle"
        assert cell.task is not None
        return cut(cell.settings, cell.task, self.tokenizer.encode(images))

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """The image that was given: of low resolution, or grey."""
        return self.tokenizer.decode(codes, noise)


def baselines(job: Job, count: int) -> dict[str, ImageArray]:
    """By prefix of their measurements: the images given, and the originals; as many as there are samples."""
    reference = head(job.session.held_out, count)
    return {"given-": _given_images(job, reference), "original-": reference}


def _given_images(job: Job, reference: ImageArray) -> Frozen:
    from bench.data.freezing import existing
    from bench.data.mixed import Mixed
    from bench.evaluate.reconstruct import reconstruct

    made_by = code.of_images(job.cell.entry, job.session, ("bench.evaluate.reconstruct",), ("conditional",))
    recipe = ["given", made_by, job.tokenizer.identity, job.cell.task, reference.digest]
    folder = job.session.cache / "images" / digest.of_value(recipe)[:32]
    there = existing(folder, job.session.renews)
    if there is not None:
        return there
    session, shown = job.session, Given(job.tokenizer.open(), job.cell)
    made = reconstruct(
        shown, reference, folder, job.device, session.batch(), lambda codes: None, session.progress, dict
    )
    assert not isinstance(made, Mixed), "images of one size give images of one size"
    return made
