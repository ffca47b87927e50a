"""Priors learn a truth of three modes: their samples beat shuffled codes and noise.

The fast form has hardly any variation within a mode and trains for seconds; the slow one varies and trains for minutes.
Latent diffusion on continuous codes is in the slow form alone: that on code vectors trains the same network on latents
that are just as far from bounded.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch

from bench.contract import Build
from bench.core import images, seeding
from bench.core.distributed import Alone
from bench.core.progress import silent
from bench.data import frozen
from bench.evaluate.encode import encode
from bench.metrics.feature_cache import Features
from bench.metrics.features.r64 import build as r64
from bench.metrics.formulas.frechet import frechet_distance
from methods.priors.diffusion import DiffusionLearner
from methods.priors.embedded import EmbeddedDiffusionLearner
from methods.priors.gpt import GPTLearner
from methods.priors.rq_transformer import RQTransformerLearner
from methods.priors.settings import GPT, Diffusion, Optimisation, RQTransformer, UNetShape
from tests.truth import Centred, Palette, Pooled, noise, palette, scenes, shuffled

CPU = torch.device("cpu")
TRAIN, DRAWN = 400, 64
PLAN = Optimisation(batch=32, rate=3e-3, warm_up=10, cosine=True, clip=1.0)
UNET = UNetShape((24, 48), (False, True), layers=1, head_channels=16, groups=8)
LATENT = Diffusion(UNET, PLAN, sampler="ddim", steps=25, eta=1.0)


@dataclass(frozen=True)
class Case:
    """A tokenizer, what trains a prior for it, and the steps that are enough at hardly any variation."""

    tokenizer: object
    learner: object
    steps: int


def brics(build):
    """Bounded codes, continuous time, min-SNR weights, ancestral sampling."""
    settings = Diffusion(UNET, PLAN, scaling="bounds", schedule="cosine-squared", continuous_time=True, min_snr=5.0)
    settings = replace(settings, sampler="ancestral", steps=25, clip_sample=True)
    return Case(Pooled(), lambda codes: DiffusionLearner(settings, build, Pooled(), codes), 60)


def kl_ldm(build):
    """Unbounded codes of any scale; DDIM with the noise of LDM's FFHQ model, which forgives a short training."""
    return Case(Centred(), lambda codes: DiffusionLearner(LATENT, build, Centred(), codes), 120)


def vq_ldm(build):
    tokenizer = Palette(palette())
    return Case(tokenizer, lambda codes: EmbeddedDiffusionLearner(LATENT, build, tokenizer, codes), 120)


def vqgan(build):
    tokenizer = Palette(palette())
    return Case(tokenizer, lambda codes: GPTLearner(GPT(2, 4, 64, PLAN), build, tokenizer, codes), 40)


def rqvae(build):
    """Two colours to a cell, the second an eighth of the first."""
    colours = palette()
    tokenizer = Palette(torch.cat([colours, (colours - colours.mean(0)) / 8]), depth=2)
    settings = RQTransformer(2, 1, 4, 64, PLAN, soft_temperature=1e-3)

    def learner(codes):
        return RQTransformerLearner(settings, build, tokenizer, codes, tokenizer.colours)

    return Case(tokenizer, learner, 60)


@pytest.fixture(scope="module")
def ruler():
    """Fréchet distance of R64 features to held-out images, by the images' spread."""
    extract = r64(CPU, None)

    def features(pixels):
        return Features("images", extract(torch.from_numpy(np.array(pixels)))["fc2"].numpy())

    @cache
    def at(spread):
        held_out = features(scenes(DRAWN, 2, spread))
        return lambda pixels: frechet_distance(held_out, features(pixels))

    return at


def train(learner, source, steps):
    [phase] = learner.phases
    for step in range(steps):
        indices = seeding.step_indices(0, step, learner.batch, TRAIN)
        batch = source.batch(indices, np.zeros(len(indices), bool), seeding.step_seeds(0, step, learner.batch))
        phase.optimizer.zero_grad()
        phase.loss(batch, step).total.backward()
        torch.nn.utils.clip_grad_norm_(phase.parameters, phase.clip)
        for group in phase.optimizer.param_groups:
            group["lr"] = PLAN.rate * phase.schedule(step, steps)
        phase.optimizer.step()


def check(case, spread, steps, ruler, tmp_path):
    """The samples' distance to held-out images is below 0.8 times that of shuffled codes, and of noise."""
    source = encode(case.tokenizer, frozen.in_memory(scenes(TRAIN, 1, spread)), tmp_path, CPU, 64, silent)
    torch.manual_seed(0)
    learner = case.learner(source.head(TRAIN))
    train(learner, source, steps)

    def decoded(codes):
        return images.to_uint8(case.tokenizer.decode(codes)).numpy()

    codes, measured = source.head(DRAWN), ruler(spread)
    drawn, mixed, random = (
        measured(decoded(made)) for made in (learner.finish().sample(range(DRAWN)), shuffled(codes, 3), noise(codes, 4))
    )
    print(f"samples {drawn:.3f}, shuffled codes {mixed:.3f}, noise {random:.3f}")
    assert drawn < 0.8 * min(mixed, random)


BUILD = Build((32, 32), 0, CPU, Alone())


@pytest.mark.parametrize("make", [brics, vq_ldm, vqgan, rqvae])
def test_samples_are_nearer_to_the_truth_than_shuffled_codes_and_noise(make, ruler, tmp_path):
    case = make(BUILD)
    check(case, 0.1, case.steps, ruler, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("make", [brics, kl_ldm, vq_ldm, vqgan, rqvae])
def test_so_are_those_of_a_truth_that_varies(make, ruler, tmp_path):
    check(make(BUILD), 1.0, 800, ruler, tmp_path)
