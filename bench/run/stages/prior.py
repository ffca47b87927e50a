"""Training a prior on the codes of the training images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contract import Prior, Tokenizer
from bench.core import digest
from bench.results.record import Measurement, Signature
from bench.run.cells import Cell
from bench.run.session import Outcome, Session, head
from bench.run.settings import settings_until
from bench.run.stages import conditional, fit, tokenizers
from bench.run.stages.tokenizers import encoded

if TYPE_CHECKING:
    import torch

    from bench.contract import Build, Learner, PriorMethod
    from bench.evaluate.encode import CodeSource

VERSION = 1
STATISTICS = 2048
"""Codes that the prior's learner sees when it is built, for scales and bounds."""

LIKELIHOOD_IMAGES = 512
"""At most this many validation images."""


def obstacle(cell: Cell) -> str | None:
    """Methods without a prior cannot generate."""
    return conditional.obstacle(cell) if cell.code.prior else "no prior is defined for it"


def recipe(cell: Cell, session: Session) -> dict[str, Any]:
    """Tokenizer, prior settings, images and budget; not the task, which matters only when images are drawn."""
    return {
        "stage": "prior",
        "version": VERSION,
        "tokenizer": tokenizers.identity(cell, session),
        "prior": settings_until(cell.prior, "prior"),
        "images": session.train.digest,
        "images_seen": session.preset.prior_images_seen,
        "flip": session.preset.flip,
        "precision": session.preset.precision,
        "seed": cell.seed,
    }


def folder(cell: Cell, session: Session) -> Path:
    """Where the run's checkpoint, final weights and report are."""
    return session.cache / "runs" / digest.of_value(recipe(cell, session))[:32]


def run(cell: Cell, session: Session) -> Outcome:
    """Encodes the training images once, trains the prior, or reads the report of a finished run."""
    where = folder(cell, session)
    budget = fit.Budget(session.preset.prior_images_seen, cell.seed)
    report = fit.finished(where) or _train(cell, session, where, budget)
    measured = likelihoods(cell, session, lambda device, own: trained(cell, session, device, own))
    return Outcome((*fit.measurements(report), *measured), facts=report)


def _train(cell: Cell, session: Session, where: Path, budget: fit.Budget) -> dict[str, Any]:
    device = session.device()
    tokenizer = tokenizers.tokenizer(cell, session, device)
    source = codes_of_training_set(cell, tokenizer, session, device)

    def build(device: torch.device, comm: Any) -> Learner[Prior]:
        return learner(cell, session.build(cell.seed, device, comm), tokenizer, source)

    return fit.train(build, source, budget, session, where)


def codes_of_training_set(cell: Cell, tokenizer: Tokenizer, session: Session, device: torch.device) -> CodeSource:
    """The codes of the training images (and of their mirror images) for the method's prior, from the cache."""
    from bench.evaluate.encode import encode

    encoder = of(cell).encoder
    return encode(
        encoder(tokenizer) if encoder else tokenizer,
        session.train,
        session.cache,
        device=device,
        batch=session.batch(),
        flip=session.preset.flip,
        progress=session.progress,
    )


def of(cell: Cell) -> PriorMethod[Any, Any]:
    """The abilities of the cell's prior."""
    found = cell.code.prior
    assert found is not None, "a cell without a prior has an obstacle"
    return found


def learner(cell: Cell, build: Build, tokenizer: Tokenizer, source: CodeSource) -> Learner[Prior]:
    """What trains the cell's prior."""
    return of(cell).learner(cell.prior, build, tokenizer, source.head(STATISTICS))


def trained(cell: Cell, session: Session, device: torch.device, tokenizer: Tokenizer) -> Prior:
    """The prior of a finished run, built without optimiser, with the sampling settings of this cell."""
    from bench.core.distributed import Alone
    from bench.train.checkpoint import FINAL, load_final

    source = codes_of_training_set(cell, tokenizer, session, device)
    made = learner(cell, session.build(cell.seed, device, Alone(), training=False), tokenizer, source)
    load_final(folder(cell, session) / FINAL, made, session.final)
    made.module.to(device)
    return made.finish()


def likelihoods(
    cell: Cell, session: Session, trained: Callable[[torch.device, Tokenizer], Prior]
) -> tuple[Measurement, ...]:
    """``nll-bits-per-image`` and ``nll-bits-per-pixel``, means over images; none for most priors."""
    bits_of = of(cell).likelihood
    if bits_of is None:
        return ()
    import numpy as np

    device = session.device()
    tokenizer = tokenizers.tokenizer(cell, session, device)
    prior, images = trained(device, tokenizer), head(session.val, LIKELIHOOD_IMAGES)
    found = []
    with session.progress("likelihood", len(images)) as advance:
        for pixels, codes in encoded(tokenizer, images, session.batch(), device):
            found.append(bits_of(prior, codes))
            advance(len(pixels))
    bits = np.concatenate(found)
    signature: Signature = {"images": images.digest[:16], "tokenizer": tokenizer.revision[:16]}
    return tuple(
        Measurement(name, float(bits.mean()) / size, unit, False, len(bits), signature=signature)
        for name, unit, size in (
            ("nll-bits-per-image", "bits", 1),
            ("nll-bits-per-pixel", "bits per pixel", session.preset.resolution**2),
        )
    )
