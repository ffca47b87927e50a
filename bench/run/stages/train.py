"""Training a tokenizer. The trained weights live in the cache under the digest of their recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core import digest
from bench.run.cells import Cell
from bench.run.session import Outcome, Session
from bench.run.settings import settings_until
from bench.run.stages import fit
from bench.train.batches import ImageSource

if TYPE_CHECKING:
    import torch

    from bench.contract import Build, Learner, Tokenizer

VERSION = 1
PREVIEW_IMAGES = 256


def obstacle(cell: Cell) -> str | None:
    """Methods without a learner and ready-made weights are not trained."""
    if cell.method.weights is not None:
        return "its weights are ready-made"
    return None if cell.code.learner else "it needs no training"


def recipe(cell: Cell, session: Session) -> dict[str, Any]:
    """Method, settings, images, budget and the networks in the losses: what decides the weights."""
    needs = networks(cell)
    return {
        "stage": "train",
        "version": VERSION,
        "method": cell.method.name,
        "settings": settings_until(cell.settings, "train"),
        "resolution": session.preset.resolution,
        "images": session.train.digest,
        "images_seen": session.preset.images_seen,
        "flip": session.preset.flip,
        "precision": session.preset.precision,
        "seed": cell.seed,
        **({"networks": {name: session.pretrained.planned(name) for name in needs}} if needs else {}),
    }


def networks(cell: Cell) -> tuple[str, ...]:
    """The pretrained networks in the losses that the cell trains with; none where nothing is trained."""
    if cell.entry.networks is None or obstacle(cell) is not None:
        return ()
    return tuple(cell.entry.networks(cell.settings))


def learner(cell: Cell, build: Build) -> Learner[Tokenizer]:
    """What trains the cell's tokenizer."""
    make = cell.code.learner
    assert make is not None, "a cell without a learner has an obstacle"
    return make(cell.settings, build)


def folder(cell: Cell, session: Session) -> Path:
    """Where the run's checkpoint, final weights and report are."""
    return session.cache / "runs" / digest.of_value(recipe(cell, session))[:32]


def run(cell: Cell, session: Session) -> Outcome:
    """Trains, or reads the report of a run that is finished."""
    where = folder(cell, session)
    budget = fit.Budget(session.preset.images_seen, cell.seed, session.preset.previews)

    def build(device: torch.device, comm: Any) -> Learner[Tokenizer]:
        return learner(cell, session.build(cell.seed, device, comm))

    report = fit.finished(where)
    if report is None:
        preview = _preview(session) if budget.previews else None
        report = fit.train(build, ImageSource(session.train), budget, session, where, preview)
    return Outcome(fit.measurements(report), facts=report)


def _preview(session: Session) -> Any:
    """A function that gives the PSNR of the learner's present state on the first validation images."""
    import torch

    from bench.core import images
    from bench.run.session import head

    held_out = torch.from_numpy(head(session.val, PREVIEW_IMAGES).pixels.copy())

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
