"""The trial of the stages that train: a tokenizer, or a prior over its codes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from bench.contract import Learner, Prior, Tokenizer
from bench.core import seeding
from bench.run.forecast import Spread, StageForecast
from bench.run.stages import prior, train
from bench.run.stages import prior as priors
from bench.run.stages.trial import Trial, code, remedies, size_of, tokenizer_of

if TYPE_CHECKING:
    from bench.run.stages.trial_steps import Rehearsed
    from bench.train.loop import Source

T = TypeVar("T")
SAMPLER_STEPS = 8
"""Steps that a sampler with a number of steps is tried with."""


def try_train(trial: Trial) -> StageForecast:
    """Some steps of the tokenizer's training, and the held-out previews on the way."""
    from bench.core.distributed import Alone
    from bench.train.batches import ImageSource

    session = trial.job.session

    def build() -> Learner[Tokenizer]:
        return trial.job.tokenizer.learner(trial.job.build(trial.device, Alone()))

    forecast, learner = _training(trial, "train", build, ImageSource(session.train), session.preset.images_seen)
    trial.tokenizer = learner.finish()
    code(trial)
    previews = max(session.preset.previews - 1, 0) * min(train.PREVIEW_IMAGES, len(session.held_out))
    return dataclasses.replace(forecast, seconds=forecast.seconds + (trial.encode + trial.decode) * previews)


def _training(
    trial: Trial, name: str, build: Callable[[], Learner[T]], source: Source, images: int
) -> tuple[StageForecast, Learner[T]]:
    import torch

    from bench.run.stages.trial_steps import rehearse as try_training
    from bench.train.loop import FitPlan

    session, settings = trial.job.session, trial.job.cell.settings if name == "train" else trial.job.cell.prior
    plan = FitPlan(
        images=images, seed=trial.job.cell.seed, flip=session.preset.flip, micro_batch=session.config.micro_batch
    )
    torch.manual_seed(seeding.derive(trial.job.cell.seed, "initialisation"))
    found, learner = try_training(
        build, source, plan, session.fabric(), session.cache / name, trial.free, trial.patience
    )
    largest = min(found.memory.largest(trial.free), found.micro_batch - 1) if trial.free else None
    return (
        StageForecast(
            name,
            found.seconds(plan.save_every_seconds),
            memory=found.memory.peak(found.micro_batch) or None,
            disk={"weights": found.final_bytes},
            transient=2 * found.checkpoint_bytes,  # one is written beside the one it replaces
            basis=_training_basis(found),
            remedies=remedies(trial, settings, largest),
        ),
        learner,
    )


def _training_basis(found: Rehearsed) -> tuple[str, ...]:
    """How it was measured."""
    phases = ", ".join(dict.fromkeys(turn.phase for turn in found.turns))
    batch = f"{found.measured} image{'s' * (found.measured > 1)} in a forward pass"
    scaled = f", scaled to batch {found.batch}" if found.measured < found.batch else ""
    return (
        f"{found.steps} steps; phases {phases}; measured with {batch}{scaled}",
        f"memory for micro-batch {found.micro_batch}",
        f"checkpoint written in {found.saving:.1f} s, read in {found.restoring:.1f} s",
    )


def try_prior(trial: Trial) -> StageForecast:
    """The codes of a few training images, some steps of the prior's training, and the likelihood of one image."""
    from bench.core.distributed import Alone

    cell, session = trial.job.cell, trial.job.session
    tokenizer = tokenizer_of(trial)
    if trial.decoded is None:
        code(trial)
    few = dataclasses.replace(session.config, limit=min(max(session.batch(), 4), len(session.train)))
    few_images = dataclasses.replace(trial.job, session=dataclasses.replace(session, config=few))
    source = priors.codes_of_training_set(few_images, tokenizer)
    codes = len(session.train) * (1 + session.preset.flip)
    per_code = size_of(session.cache / "codes") / (len(source) * (1 + session.preset.flip))

    def build() -> Learner[Prior]:
        quick = dataclasses.replace(cell, prior=_quick_sampler(cell.prior))
        return priors.learner(quick, trial.job.build(trial.device, Alone()), tokenizer, source)

    forecast, learner = _training(trial, "prior", build, source, session.preset.prior_images_seen)
    trial.prior = learner.finish()
    return dataclasses.replace(
        forecast,
        seconds=forecast.seconds + trial.encode * codes + _likelihood(trial),
        disk={**forecast.disk, "codes": round(per_code * codes)},
        basis=(*forecast.basis, f"with the codes of {codes} images"),
    )


def _likelihood(trial: Trial) -> Spread:
    """The time of the likelihood of validation images, from one image's."""
    import torch

    bits_of = priors.of(trial.job.cell).likelihood
    if bits_of is None or trial.prior is None:
        return Spread()
    with torch.inference_mode():
        pixels = torch.from_numpy(trial.job.session.held_out.pixels[:1].copy()).to(trial.device)
        codes = tokenizer_of(trial).encode(pixels)
    began = perf_counter()
    bits_of(trial.prior, codes)
    took = perf_counter() - began
    count = min(prior.LIKELIHOOD_IMAGES, len(trial.job.session.held_out))
    return (trial.encode + Spread(took, took, took)) * count


def _quick_sampler(settings: Any) -> Any:
    """The prior's settings with fewer steps of its sampler, where it has a number of them that only matters there."""
    return dataclasses.replace(settings, steps=SAMPLER_STEPS) if sampler_steps(settings) > SAMPLER_STEPS else settings


def sampler_steps(settings: Any) -> int:
    """How many steps a sampler takes by its settings; 0 where they do not say."""
    marked = {f.name for f in dataclasses.fields(settings) if f.metadata.get("stage") == "sample"}
    return int(settings.steps) if "steps" in marked else 0
