"""Training a tokenizer. The trained weights live in the cache under the digest of their recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.run import tokenizers
from bench.run.cells import Cell
from bench.run.job import Job
from bench.run.session import Outcome, Session
from bench.run.stages import fit
from bench.train.batches import ImageSource

if TYPE_CHECKING:
    import torch

    from bench.contract import Learner, Tokenizer

PREVIEW_IMAGES = 256


def not_applicable(cell: Cell) -> str | None:
    """Methods without a learner and ready-made weights are not trained."""
    return tokenizers.not_trained(cell)


def recipe(job: Job) -> dict[str, Any]:
    """What decides the weights: it is the recipe of every stage behind it, too."""
    return job.tokenizer.training


def run(job: Job) -> Outcome:
    """Trains, or reads the report of a run that is finished."""
    report = report_of(job)
    return Outcome(fit.measurements(report), facts=report)


def report_of(job: Job) -> Mapping[str, Any]:
    """The report of the finished training; it is trained now where it is not yet, or under ``--overwrite``."""
    where = job.tokenizer.folder
    budget = fit.Budget(job.session.preset.images_seen, job.cell.seed, job.session.preset.previews)

    def build(device: torch.device, comm: Any) -> Learner[Tokenizer]:
        return job.tokenizer.learner(job.build(device, comm))

    report = fit.kept(where, job.session)
    if report is None:
        preview = _preview(job.session) if budget.previews else None
        report = fit.train(build, ImageSource(job.session.train), budget, job.session, where, preview)
    return report


def _preview(session: Session) -> Any:
    """A function that gives the PSNR of the learner's present state on the first validation images."""
    import torch

    from bench.core import images
    from bench.run.session import head

    held_out = torch.from_numpy(head(session.held_out, PREVIEW_IMAGES).pixels.copy())

    def preview(learner: Learner[Tokenizer]) -> Mapping[str, float]:
        tokenizer = learner.finish()
        device = next(learner.module.parameters()).device
        errors = []
        with torch.inference_mode():
            for batch in held_out.split(session.batch()):
                decoded = images.to_uint8(tokenizer.decode(tokenizer.encode(batch.to(device)))).cpu()
                errors.append((decoded.double() - batch.double()).square().mean(dim=(1, 2, 3)))
        decibels = 10 * torch.log10(255**2 / torch.cat(errors).clamp_min(1e-5))
        return {"psnr": float(decibels.mean())}

    return preview
