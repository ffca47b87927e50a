"""Noise schedules and loss weights, one function per formula.

``gamma`` is the share of the signal's variance that is left at time t: z_t = sqrt(gamma) x + sqrt(1 - gamma) noise, in
other papers the cumulative product of alphas. Times of continuous schedules lie in [0, 1], noise growing with t.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from methods.priors.settings import Diffusion

LEAST, MOST = 1e-9, 0.9999
"""Continuous schedules are cut to this range, so that the log-SNR stays finite."""


def scaled_linear_betas(start: float, end: float, timesteps: int) -> Tensor:
    """Betas whose square roots are evenly spaced (Rombach et al. 2022), float64 ``[timesteps]``."""
    import torch

    return torch.linspace(start**0.5, end**0.5, timesteps, dtype=torch.float64) ** 2


def linear_betas(start: float, end: float, timesteps: int) -> Tensor:
    """Evenly spaced betas (Ho et al. 2020, section 4), float64 ``[timesteps]``."""
    import torch

    return torch.linspace(start, end, timesteps, dtype=torch.float64)


def cosine_squared(t: Tensor, offset: float = 0.008) -> Tensor:
    """The numerator of Nichol and Dhariwal 2021, equation 17: at time 0 it is 0.99984, not 1."""
    import torch

    return torch.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2


def cosine(t: Tensor, offset: float = 0.008) -> Tensor:
    """Nichol and Dhariwal 2021, equation 17."""
    import torch

    return cosine_squared(t, offset) / cosine_squared(torch.zeros_like(t), offset)


def chen_linear(t: Tensor) -> Tensor:
    """Chen 2023 ("On the importance of noise scheduling"), the simple linear gamma = 1 - t."""
    return 1 - t


def cosine_variant(t: Tensor, start: float = 0.2, end: float = 1.0, tau: float = 1.0) -> Tensor:
    """Chen 2023, the cosine gamma between ``start`` and ``end``, sharpened by ``tau``."""
    import torch

    at_start, at_end = (math.cos(u * math.pi / 2) ** (2 * tau) for u in (start, end))
    value = torch.cos((t * (end - start) + start) * math.pi / 2).clamp(min=0) ** (2 * tau)
    return (at_end - value) / (at_end - at_start)


def cosine_variant_v2(t: Tensor) -> Tensor:
    """The schedule of BRICS's released command: :func:`cosine_variant` from 0.2 to 1 with tau 1.5."""
    return cosine_variant(t, 0.2, 1.0, 1.5)


CONTINUOUS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "cosine": cosine,
    "cosine-squared": cosine_squared,
    "chen-linear": chen_linear,
    "cosine-variant": cosine_variant,
    "cosine-variant-v2": cosine_variant_v2,
}


def gamma(name: str, t: Tensor) -> Tensor:
    """A continuous schedule at times ``t`` in [0, 1], cut to [1e-9, 0.9999]."""
    return CONTINUOUS[name](t).clamp(LEAST, MOST)


def gammas(settings: Diffusion) -> Tensor:
    """Float64 ``[timesteps]``: what is left of the signal at each discrete time.

    A continuous schedule is read at t = 1/T, 2/T, ..., 1.
    """
    import torch

    count = settings.timesteps
    if settings.schedule in CONTINUOUS:
        return gamma(settings.schedule, torch.arange(1, count + 1, dtype=torch.float64) / count)
    betas = scaled_linear_betas if settings.schedule == "scaled-linear" else linear_betas
    return torch.cumprod(1 - betas(settings.beta_start, settings.beta_end, count), 0)


def betas_of(gammas: Tensor) -> Tensor:
    """The betas that give these cumulative products: beta_t = 1 - gamma_t / gamma_(t-1), gamma_0 = 1."""
    import torch

    before = torch.cat([gammas.new_ones(1), gammas[:-1]])
    return 1 - gammas / before


def log_snr(gamma: Tensor) -> Tensor:
    """log(gamma / (1 - gamma))."""
    import torch

    return torch.log(gamma) - torch.log1p(-gamma)


def log_snr_time(gamma: Tensor) -> Tensor:
    """The log-SNR as the network reads it: 0 at the least noise, 1000 at the most, in between linear."""
    low, high = (math.log(g / (1 - g)) for g in (LEAST, MOST))
    return (high - log_snr(gamma)) / (high - low) * 1000


def min_snr_weight(gamma: Tensor, limit: float) -> Tensor:
    """Hang et al. 2023, section 3.4, for a network that predicts the noise: min(SNR, limit) / SNR."""
    snr = gamma / (1 - gamma)
    return snr.clamp(max=limit) / snr
