"""From noise to codes: diffusers' schedulers, driven so that every sample depends on its seed alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.contract import Seeds
from bench.errors import UsageError
from methods.priors import common, schedules

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from methods.priors.settings import Diffusion


def build_scheduler(settings: Diffusion) -> Any:
    """The diffusers scheduler of ``settings.sampler``, its timesteps set, on the CPU.

    DDIM takes every (T / steps)-th timestep from 1 on as LDM's code does. The ancestral sampler and DPM-Solver++
    (second order, multistep) begin at the last timestep. Raises :class:`UsageError` for a number of steps with which
    DDIM or the ancestral sampler would not begin at full noise.
    """
    from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

    check_steps(settings)
    betas = schedules.betas_of(schedules.gammas(settings)).numpy()
    common = {"num_train_timesteps": settings.timesteps, "trained_betas": betas}
    scheduler: Any
    if settings.sampler == "ddim":
        scheduler = DDIMScheduler(
            **common,
            clip_sample=settings.clip_sample,
            set_alpha_to_one=settings.continuous_time,
            steps_offset=0 if settings.steps == settings.timesteps else 1,
            timestep_spacing="leading",
        )
    elif settings.sampler == "ancestral":
        scheduler = DDPMScheduler(**common, clip_sample=settings.clip_sample, timestep_spacing="trailing")
    else:
        scheduler = DPMSolverMultistepScheduler(**common, timestep_spacing="trailing")
    scheduler.set_timesteps(settings.steps)
    return scheduler


def check_steps(settings: Diffusion) -> None:
    """Raises :class:`UsageError` for a number of steps that the sampler cannot take."""
    if not 1 <= settings.steps <= settings.timesteps:
        raise UsageError(f"{settings.steps} sampler steps are not between 1 and the {settings.timesteps} timesteps.")
    if settings.sampler != "dpm++" and settings.timesteps % settings.steps:
        raise UsageError(
            f"{settings.steps} steps do not divide the {settings.timesteps} timesteps: sampling would not begin at "
            "full noise. Choose a divisor (LDM's published 400 steps are 500 evaluations) or sampler=dpm++."
        )


def sample(
    predict: Callable[[Tensor, int], Tensor],
    shape: tuple[int, ...],
    seeds: Seeds,
    settings: Diffusion,
    device: torch.device,
) -> Tensor:
    """Float32 ``[len(seeds), *shape]`` in the diffusion's own scale.

    ``predict(z, t)`` returns the noise in ``z`` at timestep ``t``. Each seed has one generator, which draws the first
    noise and then, where the sampler is stochastic, that of every step.
    """
    import torch

    scheduler = build_scheduler(settings)
    generators = common.generators(seeds)
    z = torch.stack([torch.randn(shape, generator=g) for g in generators]).to(device)
    z = z * scheduler.init_noise_sigma
    options = {"eta": settings.eta} if settings.sampler == "ddim" else {}
    for t in scheduler.timesteps.tolist():
        z = scheduler.step(predict(z, t), t, z, generator=generators, return_dict=False, **options)[0]
    return z
