"""What a method's settings promise of its losses: which parts occur at a step, and what they add up to.

Written from the papers' formulas and the settings' weights, apart from the learners.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from methods.autoencoder.quantised_settings import BitSettings, FSQSettings, RQSettings, VQSettings
from methods.autoencoder.settings import AutoencoderSettings
from methods.brics.presets import Settings as BricsSettings
from methods.brics.prior import BricsPrior, diffusion
from methods.dct.prior_presets import DCTransformer
from methods.kl_ldm.presets import KLSettings
from methods.priors.settings import GPT, Diffusion, RQTransformer

Point = Mapping[str, float]
Names = set[str]


def _autoencoder(s: AutoencoderSettings, step: int, bottleneck: Names) -> Names:
    parts = {"total", s.reconstruction, *bottleneck}
    parts |= {"lpips-vgg"} if s.perceptual_weight else set()
    adversarial = s.disc_weight > 0 and step >= s.disc_start
    parts |= {"adversarial", "adaptive-weight"} if adversarial else set()
    discriminator = {"total", "logits-real", "logits-fake"} if adversarial else set()
    return {f"autoencoder/{part}" for part in parts} | {f"discriminator/{part}" for part in discriminator}


def _autoencoder_total(s: AutoencoderSettings, point: Point, bottleneck: float, values: int) -> float:
    """Esser et al. 2021, equations 5 to 7; latent diffusion sums the first bracket over an image's values."""

    def part(name: str) -> float:
        return point.get(f"autoencoder/{name}", 0.0)

    likelihood = part(s.reconstruction) + s.perceptual_weight * part("lpips-vgg")
    if s.reduction == "sum":
        likelihood *= values
    return likelihood + part("adaptive-weight") * part("adversarial") + bottleneck


def _vq(s: VQSettings, step: int) -> Names:
    return _autoencoder(s, step, {"codebook", *(["codebook-use"] if step >= s.kmeans_at else [])})


def _rq(s: RQSettings, step: int) -> Names:
    return _autoencoder(s, step, {"commitment", *(["codebook-use"] if step >= s.kmeans_at else [])})


def _brics(s: BricsSettings, step: int) -> Names:
    w = s.losses
    terms = {"mse": w.mse, "perceptual": w.perceptual, "adversarial": w.adversarial, "kl": w.kl * (s.codes == "c")}
    names = {f"autoencoder/{name}" for name, weight in {"total": 1.0, **terms}.items() if weight}
    if w.adversarial:
        names |= {f"discriminator/{name}" for name in ("total", "logits-real", "logits-fake")}
        names |= {"r1/total", "r1/penalty"} if w.r1 and step % w.r1_every == 0 else set()
    return names


def _brics_total(s: BricsSettings, point: Point, values: int) -> float:
    w = s.losses
    weights = {"mse": w.mse, "perceptual": w.perceptual, "adversarial": w.adversarial, "kl": w.kl}
    return sum(weight * point.get(f"autoencoder/{name}", 0.0) for name, weight in weights.items())


PARTS: Mapping[type, Callable[[Any, int], Names]] = {
    VQSettings: _vq,
    RQSettings: _rq,
    FSQSettings: lambda s, step: _autoencoder(s, step, {"no-loss", "codebook-use"}),
    BitSettings: lambda s, step: _autoencoder(s, step, {"entropy", "codebook-use"}),
    KLSettings: lambda s, step: _autoencoder(s, step, {"kl"}),
    BricsSettings: _brics,
    GPT: lambda s, step: {"prior/total", "prior/bits-per-code"},
    RQTransformer: lambda s, step: {"prior/total", "prior/bits-per-code"},
    Diffusion: lambda s, step: {"prior/total", "prior/noise-error"},
    BricsPrior: lambda s, step: {"prior/total", "prior/noise-error"},
    DCTransformer: lambda s, step: {
        "prior/total", *(f"prior/{name}-bits-per-triple" for name in ("channel", "position", "value")),
    },
}  # fmt: skip
"""By the settings' type, the names of the losses at a step."""

TOTALS: Mapping[type, Callable[[Any, Point, int], float | None]] = {
    VQSettings: lambda s, point, values: _autoencoder_total(s, point, point["autoencoder/codebook"], values),
    RQSettings: lambda s, point, values: _autoencoder_total(s, point, point["autoencoder/commitment"], values),
    FSQSettings: lambda s, point, values: _autoencoder_total(s, point, 0.0, values),
    BitSettings: lambda s, point, values: _autoencoder_total(s, point, point["autoencoder/entropy"], values),
    KLSettings: lambda s, point, values: _autoencoder_total(s, point, s.kl_weight * point["autoencoder/kl"], values),
    BricsSettings: _brics_total,
    GPT: lambda s, point, values: point["prior/bits-per-code"] * math.log(2),
    RQTransformer: lambda s, point, values: point["prior/bits-per-code"] * math.log(2),
    Diffusion: lambda s, point, values: point["prior/noise-error"] if s.loss == "l2" and s.min_snr is None else None,
    BricsPrior: lambda s, point, values: TOTALS[Diffusion](diffusion(s), point, values),
    DCTransformer: lambda s, point, values: None,
}
"""What the main loss adds up to, from its logged parts; None where they do not determine it."""
