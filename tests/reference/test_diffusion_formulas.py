"""Schedules, weights and samplers of the diffusion priors against the papers' formulas, written out in float64."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.errors import UsageError
from methods.priors import samplers, schedules
from methods.priors.common import generators
from methods.priors.published import (
    BRICS_A,
    BRICS_B,
    BRICS_UNET,
    LDM_CHURCH,
    LDM_CHURCH_UNET,
    LDM_FFHQ,
    LDM_FFHQ_UNET,
    RQ_350M,
    VQGAN_FACESHQ,
    VQGAN_FFHQ,
    half_life,
)
from methods.priors.unet import build_unet


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("shape", "channels", "expected"),
    [(LDM_CHURCH_UNET, 4, 294_966_916), (LDM_FFHQ_UNET, 3, 274_056_163), (BRICS_UNET, 4, 357_923_588)],
)
def test_the_networks_have_the_published_sizes(shape, channels, expected):
    """The first two are the official LDM networks; BRICS's own U-Net (imagen-pytorch) has 328.7 M, 9 % fewer."""
    with torch.device("meta"):
        assert parameters(build_unet(shape, channels)) == expected


@pytest.mark.parametrize(("settings", "published"), [(VQGAN_FACESHQ, 304_932_864), (VQGAN_FFHQ, 801_798_400)])
def test_gpt_has_the_published_size(settings, published):
    """Equal but for the start vector, which taming takes from the vocabulary (FacesHQ has 512 positions)."""
    from methods.priors.gpt import GPTModel

    positions = 512 if settings is VQGAN_FACESHQ else 256
    with torch.device("meta"):
        assert parameters(GPTModel(settings, positions, ((1024,),), "t")) == published + settings.width


@pytest.mark.parametrize(("vocab", "published", "difference"), [(16384, 370_088_000, 960), (2048, 355_394_000, 560)])
def test_rq_transformer_has_the_published_size(vocab, published, difference):
    """Printed in thousands: what is left is their rounding."""
    from methods.priors.rq_model import RQModel

    with torch.device("meta"):
        assert parameters(RQModel(RQ_350M, (64, 4), torch.empty(vocab, 256), "t")) == published + difference


def ldm_alphas(start, end):
    return np.cumprod(1 - np.linspace(start**0.5, end**0.5, 1000) ** 2)


def ddim_update(z, epsilon, a, b, eta, noise):
    """Song et al. 2021, equations 12 and 16: from the signal share a to b."""
    clean = (z - math.sqrt(1 - a) * epsilon) / math.sqrt(a)
    sigma = eta * math.sqrt((1 - b) / (1 - a)) * math.sqrt(1 - a / b)
    return math.sqrt(b) * clean + math.sqrt(1 - b - sigma**2) * epsilon + sigma * noise


@pytest.mark.parametrize(
    ("settings", "end", "steps", "eta"), [(LDM_FFHQ, 0.0195, 200, 1.0), (LDM_CHURCH, 0.0155, 500, 0.0)]
)
def test_ddim_follows_the_formulas(settings, end, steps, eta):
    """On LDM's timesteps 1, 1 + 1000 / steps, ...; every single update within 1e-6."""
    assert (settings.steps, settings.eta) == (steps, eta)
    alphas = ldm_alphas(0.0015, end)
    times = np.arange(0, 1000, 1000 // steps) + 1
    before = np.concatenate([alphas[:1], alphas[times[:-1]]])
    scheduler = samplers.build_scheduler(settings)
    assert scheduler.timesteps.tolist() == times[::-1].tolist()
    np.testing.assert_allclose(scheduler.alphas_cumprod.numpy(), alphas, atol=1e-6)
    generator = torch.Generator().manual_seed(0)
    for t, a, b in zip(times, alphas[times], before, strict=True):
        clean, epsilon, noise = torch.randn(3, 16, generator=generator)
        z = math.sqrt(a) * clean + math.sqrt(1 - a) * epsilon
        ours = scheduler.step(epsilon, int(t), z, eta=eta, variance_noise=noise if eta else None, return_dict=False)[0]
        expected = ddim_update(z.double(), epsilon.double(), a, b, eta, noise.double())
        torch.testing.assert_close(ours.double(), expected, atol=1e-6, rtol=1e-6)


def test_ddim_sampling_is_the_chain_of_updates():
    settings = replace(LDM_FFHQ, steps=20)
    alphas, times = ldm_alphas(0.0015, 0.0195), np.arange(0, 1000, 50) + 1
    before = np.concatenate([alphas[:1], alphas[times[:-1]]])
    ours = samplers.sample(lambda z, t: z * (t / 1000), (2, 3), [5], settings, torch.device("cpu"))
    generator = generators([5])[0]
    z = torch.randn(2, 3, generator=generator).double()
    for t, a, b in zip(times[::-1], alphas[times][::-1], before[::-1], strict=True):
        z = ddim_update(z, z * (t / 1000), a, b, 1.0, torch.randn(2, 3, generator=generator).double())
    torch.testing.assert_close(ours[0].double(), z, atol=1e-4, rtol=1e-4)


def test_ancestral_sampling_is_the_chain_of_posteriors():
    """Ho et al. 2020, equation 7 with the clean codes clamped, on BRICS's schedule; the last step adds no noise."""
    settings = replace(BRICS_B, timesteps=50, steps=50)
    gamma = schedules.gammas(settings).numpy()
    ours = samplers.sample(lambda z, t: z * (t / 50), (2, 3), [5], settings, torch.device("cpu"))
    generator = generators([5])[0]
    z = torch.randn(2, 3, generator=generator).double()
    for t in range(49, -1, -1):
        now, previous = gamma[t], gamma[t - 1] if t else 1.0
        clean = ((z - math.sqrt(1 - now) * z * (t / 50)) / math.sqrt(now)).clamp(-1, 1)
        alpha = now / previous
        z = (math.sqrt(previous) * (1 - alpha) * clean + math.sqrt(alpha) * (1 - previous) * z) / (1 - now)
        if t:
            sigma = math.sqrt((1 - previous) / (1 - now) * (1 - alpha))
            z = z + sigma * torch.randn(2, 3, generator=generator).double()
    torch.testing.assert_close(ours[0].double(), z, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("sampler", ["ddim", "ancestral", "dpm++"])
@pytest.mark.parametrize("base", [LDM_CHURCH, BRICS_A, BRICS_B])
def test_every_sampler_turns_the_true_noise_into_the_true_codes(sampler, base):
    """With a perfect predictor for codes that are all equal to a constant, every sampler ends at the constant."""
    settings = replace(base, sampler=sampler, steps=100)
    gamma = schedules.gammas(settings)

    def predict(z, t):
        return ((z - gamma[t].sqrt() * 0.3) / (1 - gamma[t]).sqrt()).float()

    codes = samplers.sample(predict, (2, 3), [1, 2], settings, torch.device("cpu"))
    remaining = math.sqrt(1 - float(gamma[0])) if sampler == "ddim" and base is LDM_CHURCH else 0.0
    torch.testing.assert_close(codes, torch.full((2, 2, 3), 0.3), atol=0.01 + 4 * remaining, rtol=0)


def test_schedules_follow_their_formulas():
    t = np.linspace(0, 1, 101)

    def f(u):
        return np.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    start, end, tau = 0.2, 1.0, 1.5
    v_start, v_end = (math.cos(u * math.pi / 2) ** (2 * tau) for u in (start, end))
    variant = (v_end - np.cos((t * (end - start) + start) * math.pi / 2) ** (2 * tau)) / (v_end - v_start)
    expected = {"cosine": f(t) / f(0), "cosine-squared": f(t), "cosine-variant-v2": variant, "chen-linear": 1 - t}
    for name, values in expected.items():
        ours = schedules.gamma(name, torch.from_numpy(t))
        np.testing.assert_allclose(ours.numpy(), np.clip(values, 1e-9, 0.9999), atol=1e-12)
    assert bool((schedules.gammas(BRICS_B).diff() < 0).all())
    np.testing.assert_allclose(schedules.gammas(LDM_CHURCH).numpy(), ldm_alphas(0.0015, 0.0155), rtol=1e-12)
    betas = schedules.betas_of(schedules.gammas(BRICS_B))
    np.testing.assert_allclose(np.cumprod(1 - betas.numpy()), schedules.gammas(BRICS_B).numpy(), rtol=1e-9)


def test_min_snr_weights_follow_the_formula():
    gamma = torch.tensor([0.1, 0.5, 5 / 6, 0.9, 0.99], dtype=torch.float64)
    snr = gamma.numpy() / (1 - gamma.numpy())
    np.testing.assert_allclose(schedules.min_snr_weight(gamma, 5.0).numpy(), np.minimum(snr, 5) / snr, rtol=1e-12)
    assert (BRICS_A.schedule, BRICS_A.min_snr) == ("cosine-squared", 5.0)
    assert BRICS_B.min_snr is None


def test_steps_that_do_not_begin_at_full_noise_are_refused():
    """LDM's published 400 steps: diffusers would begin at timestep 799."""
    with pytest.raises(UsageError, match="500 evaluations"):
        samplers.build_scheduler(replace(LDM_CHURCH, steps=400))
    with pytest.raises(UsageError, match="between 1 and"):
        samplers.build_scheduler(replace(LDM_CHURCH, steps=1001))
    assert max(samplers.build_scheduler(replace(LDM_CHURCH, steps=1000)).timesteps) == 999


def test_half_life_of_a_decay():
    assert 0.9999 ** (half_life(0.9999, 96) / 96) == pytest.approx(0.5)
