"""Training a prior on the codes of the training images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contract import Prior, Tokenizer
from bench.core import digest, registry
from bench.results.record import Measurement, Signature
from bench.run import checkpoints
from bench.run.cells import Cell
from bench.run.session import Outcome, Session, head
from bench.run.settings import settings_until
from bench.run.stages import conditional, fit, tokenizers
from bench.run.stages.tokenizers import encoded

if TYPE_CHECKING:
    import torch

    from bench.contract import Build, Learner
    from bench.evaluate.encode import CodeSource

VERSION = 1
STATISTICS = 2048
"""Codes that the prior's learner sees when it is built, for scales and bounds."""

LIKELIHOOD_IMAGES = 512
"""At most this many validation images."""


def obstacle(cell: Cell) -> str | None:
    """Methods without a prior cannot generate."""
    return conditional.obstacle(cell) if cell.entry.prior_learner else "no prior is defined for it"


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
    checkpoints.check_prior(cell.method, cell.entry, session.cache, session.readings)
    device = session.device()
    tokenizer = tokenizers.tokenizer(cell, session, device)
    source = codes_of_training_set(cell, tokenizer, session, device)

    def build(device: torch.device, comm: Any) -> Learner:
        return _learner(cell, session.build(cell.seed, device, comm), tokenizer, source)

    return fit.train(build, source, budget, session, where)


def codes_of_training_set(cell: Cell, tokenizer: Tokenizer, session: Session, device: torch.device) -> CodeSource:
    """The codes of the training images (and of their mirror images) for the method's prior, from the cache."""
    from bench.evaluate.encode import encode

    encoder = cell.entry.prior_encoder
    return encode(
        registry.load(encoder)(tokenizer) if encoder else tokenizer,
        session.train,
        session.cache,
        device=device,
        batch=session.batch(),
        flip=session.preset.flip,
        progress=session.progress,
    )


def _learner(cell: Cell, build: Build, tokenizer: Tokenizer, source: CodeSource) -> Learner:
    learner: Learner = registry.load(str(cell.entry.prior_learner))(
        cell.prior, build, tokenizer, source.head(STATISTICS)
    )
    return learner


def trained(cell: Cell, session: Session, device: torch.device, tokenizer: Tokenizer) -> Prior:
    """The prior of a finished run, built without optimiser, with the sampling settings of this cell."""
    from bench.core.distributed import Alone
    from bench.train.checkpoint import FINAL, load_final

    source = codes_of_training_set(cell, tokenizer, session, device)
    learner = _learner(cell, session.build(cell.seed, device, Alone(), training=False), tokenizer, source)
    load_final(folder(cell, session) / FINAL, learner, session.final)
    learner.module.to(device)
    return learner.finish()  # type: ignore[return-value]


def likelihoods(
    cell: Cell, session: Session, trained: Callable[[torch.device, Tokenizer], Prior]
) -> tuple[Measurement, ...]:
    """``nll-bits-per-image`` and ``nll-bits-per-pixel``, means over images; none for most priors."""
    if cell.entry.likelihood is None:
        return ()
    import numpy as np

    bits_of = registry.load(cell.entry.likelihood)
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
