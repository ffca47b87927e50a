"""The generative models as published: their sizes and how they were trained. Data without torch.

Half-lives: a moving average that keeps the share d per step of batch b has a half-life of b ln(1/2) / ln(d) images.
"""

from __future__ import annotations

import math
from dataclasses import replace

from methods.priors.settings import GPT, Diffusion, Optimisation, RQTransformer, UNetShape


def half_life(decay: float, batch: int) -> float:
    """The half-life in images of a moving average with ``decay`` per step."""
    return batch * math.log(0.5) / math.log(decay)


LDM_CHURCH_UNET = UNetShape(
    channels=(192, 384, 384, 768, 768),
    attention=(True, True, True, True, False),
    heads=8,
    scale_shift=True,
    resample="resnet",
)
"""Rombach et al. 2022, ``lsun_churches-ldm-kl-8.yaml``: 294,966,916 parameters on 4x32x32 codes."""

LDM_FFHQ_UNET = UNetShape(channels=(224, 448, 672, 896), attention=(False, True, True, True))
"""Rombach et al. 2022, ``ffhq-ldm-vq-4.yaml``: 274,056,163 parameters on 3x64x64 codes."""

LDM_CHURCH = Diffusion(
    unet=LDM_CHURCH_UNET,
    optimisation=Optimisation(batch=96, rate=5e-5, warm_up=10_000, weight_decay=0.01, half_life=half_life(0.9999, 96)),
    beta_end=0.0155,
    loss="l1",
    steps=500,
)
"""LSUN-church. The README's "400 DDIM steps" are 500 network evaluations: the official code takes every second of
1,000 timesteps. Trained for 500,000 steps (Table 12)."""

LDM_FFHQ = Diffusion(
    unet=LDM_FFHQ_UNET,
    optimisation=Optimisation(batch=42, rate=8.4e-5, weight_decay=0.01, half_life=half_life(0.9999, 42)),
    beta_end=0.0195,
    scaling="none",
    steps=200,
    eta=1.0,
)
"""FFHQ: 200 DDIM steps with eta 1, codes as they are. Trained for 635,000 steps (Table 12)."""

BRICS_UNET = UNetShape(channels=(256, 512, 768, 1024), attention=(False, True, True, True), head_channels=64)
"""Width 256, multipliers 1, 2, 3, 4, two blocks each, attention at all but the finest resolution."""

BRICS_B = Diffusion(
    unet=BRICS_UNET,
    optimisation=Optimisation(batch=64, rate=8e-5, betas=(0.9, 0.99), cosine=True, half_life=half_life(0.9999, 640)),
    schedule="cosine-variant-v2",
    continuous_time=True,
    scaling="bounds",
    sampler="ancestral",
    steps=1000,
    clip_sample=True,
)
"""Noise schedule b of the BRICS tables: ``cosine_variant_v2`` without loss weights (the released command)."""

BRICS_A = replace(BRICS_B, schedule="cosine-squared", min_snr=5.0)
"""Noise schedule a: the squared cosine, not divided by its value at time 0, with min-SNR weights, gamma 5 (the defaults
of the released code, whose squared cosine is cut at the top alone, where it is never reached)."""

BRICS_SCHEDULES = {"a": BRICS_A, "b": BRICS_B}

VQGAN_FACESHQ = GPT(
    layers=24,
    heads=16,
    width=1024,
    optimisation=Optimisation(batch=24, rate=24 * 4.5e-6, betas=(0.9, 0.95), weight_decay=0.01),
    top_k=250,
)
"""Esser et al. 2021, ``faceshq_transformer.yaml``. The paper's rate is 4.5e-6 per image of the batch."""

VQGAN_FFHQ = replace(VQGAN_FACESHQ, width=1664)
"""The 801 M parameters of the FFHQ row; its width is not in the released configuration files."""

RQ_350M = RQTransformer(
    body_layers=24,
    head_layers=4,
    heads=16,
    width=1024,
    optimisation=Optimisation(batch=256, rate=5e-4, betas=(0.9, 0.95), weight_decay=1e-4, cosine=True, clip=1.0),
    top_k=250,
)
"""Lee et al. 2022, ``lsun-church256-sqgan-8x8x4-350M-simp.yaml``: batch 256, 300 epochs."""
