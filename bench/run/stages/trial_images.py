"""The trial of the stages that make or measure images: reconstruction, cost, samples, generation."""

from __future__ import annotations

from time import perf_counter

from bench.core.alarm import within
from bench.data import sized
from bench.run.forecast import Spread, StageForecast
from bench.run.session import head
from bench.run.stages import conditional, recon, stage
from bench.run.stages import external as ready_made
from bench.run.stages import sample as sampling
from bench.run.stages.trial import DIGEST_BYTES, Trial, code, measuring, pixels_of, tokenizer_of
from bench.run.stages.trial_training import SAMPLER_STEPS, sampler_steps

SLOWEST_SAMPLE = 120.0
"""Seconds after which drawing a block is given up; its forecast is then a lower bound."""


def try_recon(trial: Trial) -> StageForecast:
    """A batch of validation images, coded, decoded and measured."""
    from bench.evaluate.clock import peak_memory, reset_peak

    session, count = trial.job.session, len(trial.job.session.val)
    reset_peak(trial.device)
    if ready_made.has(trial.job.cell, "recons"):
        trial.decoded = sized.largest(session.val, session.batch())
        coding = Spread()
    else:
        if trial.decoded is None:
            code(trial)
        coding = (trial.encode + trial.decode) * count
    if trial.job.cell.code.rates:
        statistics = min(recon.TRAINING_IMAGES, len(session.train)) if session.dataset.train is not None else 0
        coding = coding + trial.encode * (statistics + count)
    per_image, features = measuring(trial, None)
    assert trial.decoded is not None
    sets = 1 + trial.first
    images = count * DIGEST_BYTES + 3 * int(sized.sizes(session.val).prod(axis=1).sum())
    return StageForecast(
        "recon",
        coding + per_image * count,
        memory=int(peak_memory(trial.device)[0] or 0) or None,
        disk={"images": images, "features": round(features * count * sets)},
        basis=(f"{count} images; measured on a batch of {len(trial.decoded)}; formulas over sets left out",),
    )


def try_cost(trial: Trial) -> StageForecast:
    """The whole stage: it costs no more."""
    began = perf_counter()
    stage("cost").run(trial.job)
    took = perf_counter() - began
    return StageForecast("cost", Spread(took, took, took), basis=("the whole stage, on shapes without memory",))


def try_sample(trial: Trial) -> StageForecast:
    """One block of samples; on a GPU a whole one, elsewhere of one sample."""
    from bench.evaluate.clock import peak_memory, reset_peak
    from bench.evaluate.generate import Order, draw

    cell, session = trial.job.cell, trial.job.session
    assert trial.prior is not None
    prior, tokenizer = trial.prior, tokenizer_of(trial)
    condition = conditional.condition(trial.job, tokenizer) if cell.task else None

    def drawn(rows: int) -> float | None:
        """Seconds that a block of so many samples took, None where it was given up."""
        seeds, label = tuple(range(rows)), sampling.label_rule(cell, sampling.PLAIN)
        order = Order(seeds, rows, label, condition, cell.decoding.noise)
        began = perf_counter()
        finished = within(SLOWEST_SAMPLE, lambda: draw(prior, tokenizer, order, 0, trial.device))
        return perf_counter() - began if finished else None

    reset_peak(trial.device)
    rows = sampling.BATCH if trial.device.type == "cuda" else 1
    took = drawn(rows)
    if rows == 1 and took is not None and took * sampling.BATCH < SLOWEST_SAMPLE / 4:
        rows = sampling.BATCH
        took = drawn(rows)
    steps = sampler_steps(cell.prior)
    cut = max(steps / SAMPLER_STEPS, 1.0)
    seconds = SLOWEST_SAMPLE if took is None else took
    wanted = Order(sampling.seeds(session), sampling.BATCH)
    count = len(wanted.blocks()) * sampling.BATCH
    basis = f"{len(wanted.seeds)} samples; measured on a block of {rows}"
    if cut > 1:
        basis += f" with {SAMPLER_STEPS} of {steps} steps of the sampler"
    if took is None:
        basis += f"; given up after {SLOWEST_SAMPLE:.0f} s, so this is a lower bound"
    images = len(wanted.seeds) * pixels_of(session)
    return StageForecast(
        "sample",
        Spread(seconds, seconds, seconds) * (cut * count / rows),
        memory=int(peak_memory(trial.device)[0] or 0) or None,
        disk={"images": images},
        transient=images,  # blocks stay until all of them are put together
        basis=(basis,),
    )


def try_gen(trial: Trial) -> StageForecast:
    """The metrics of sets on one batch."""
    from bench.evaluate.clock import peak_memory, reset_peak

    session = trial.job.session
    if trial.decoded is None:
        trial.decoded = head(session.train, session.batch()).pixels.copy()
    reset_peak(trial.device)
    per_image, features = measuring(trial, "set")
    samples = len(sampling.seeds(session))
    images = samples + (len(session.train) + len(session.held_out) if trial.first else 0)
    return StageForecast(
        "gen",
        per_image * (images / 2),  # a batch was measured beside its reference
        memory=int(peak_memory(trial.device)[0] or 0) or None,
        disk={"features": round(features * images)},
        basis=(f"{images} images; measured on a batch of {len(trial.decoded)}; formulas over sets left out",),
    )
