"""What can be chosen about a prior: plain frozen dataclasses without torch, for the methods' presets to hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bench.contract import SAMPLE_FIELD
from bench.errors import UsageError

Schedule = Literal[
    "scaled-linear", "linear", "cosine", "cosine-squared", "chen-linear", "cosine-variant", "cosine-variant-v2"
]
Sampler = Literal["ddim", "ancestral", "dpm++"]


@dataclass(frozen=True)
class UNetShape:
    """The noise predictor, a ``diffusers.UNet2DModel``.

    ``channels`` and ``attention`` are per resolution, finest first. Attention has heads of ``head_channels`` channels,
    or, where ``heads`` is given, that number of heads at every resolution. ``scale_shift`` lets the time embedding
    scale as well as shift; ``resample`` says whether a convolution or a residual block changes the resolution.
    """

    channels: tuple[int, ...]
    attention: tuple[bool, ...]
    layers: int = 2
    head_channels: int = 32
    heads: int | None = None
    scale_shift: bool = False
    resample: Literal["conv", "resnet"] = "conv"
    groups: int = 32


@dataclass(frozen=True)
class Optimisation:
    """Adam or, with ``weight_decay``, AdamW.

    The learning rate ``rate`` rises linearly over ``warm_up`` steps, or a twentieth of the run if that is less; with
    ``cosine`` it then falls to zero at the end of the run. ``half_life`` is that of the weights' moving average, in
    images; ``clip`` bounds the gradient's norm.
    """

    batch: int
    rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    warm_up: int = 0
    cosine: bool = False
    clip: float | None = None
    half_life: float | None = None


@dataclass(frozen=True)
class Diffusion:
    """A Gaussian diffusion model that predicts the noise.

    - ``schedule``: how much signal is left at each time; ``beta_start`` and ``beta_end`` are used by
      "scaled-linear" and "linear".
    - ``continuous_time``: times are drawn from (0, 1) and the network is told the log-SNR; otherwise they are the
      integers below ``timesteps`` and the network is told those.
    - ``min_snr``: the gamma of min-SNR weighting, None for equal weights.
    - ``scaling``: codes are divided by their standard deviation ("std"), mapped from their bounds to [-1, 1]
      ("bounds") or taken as they are ("none").
    - ``classes``: number of classes, 0 for none; labels are dropped with probability ``drop`` in training.
    - ``sampler``, ``steps``: network evaluations per sample; ``eta`` is DDIM's. ``clip_sample``: clamp the predicted
      clean codes to [-1, 1] at every step (the ancestral sampler and DDIM).
    - ``guidance``: strength of classifier-free guidance, 1 for none (Ho and Salimans 2021 write w = guidance - 1).
    """

    unet: UNetShape
    optimisation: Optimisation
    schedule: Schedule = "scaled-linear"
    beta_start: float = 0.0015
    beta_end: float = 0.0195
    timesteps: int = 1000
    continuous_time: bool = False
    min_snr: float | None = None
    loss: Literal["l1", "l2"] = "l2"
    scaling: Literal["std", "bounds", "none"] = "std"
    classes: int = 0
    drop: float = 0.1
    sampler: Sampler = field(default="ddim", metadata=SAMPLE_FIELD)
    steps: int = field(default=50, metadata=SAMPLE_FIELD)
    eta: float = field(default=0.0, metadata=SAMPLE_FIELD)
    clip_sample: bool = field(default=False, metadata=SAMPLE_FIELD)
    guidance: float = field(default=1.0, metadata=SAMPLE_FIELD)


@dataclass(frozen=True)
class GPT:
    """A decoder-only transformer over the codes in raster order.

    ``top_k``, ``top_p`` and ``temperature`` say how the next index is drawn: from the k likeliest (None: all), of
    those from the smallest set that holds the share p of the probability. Classes as in :class:`Diffusion`.
    """

    layers: int
    heads: int
    width: int
    optimisation: Optimisation
    dropout: float = 0.0
    classes: int = 0
    drop: float = 0.1
    top_k: int | None = field(default=None, metadata=SAMPLE_FIELD)
    top_p: float = field(default=1.0, metadata=SAMPLE_FIELD)
    temperature: float = field(default=1.0, metadata=SAMPLE_FIELD)
    guidance: float = field(default=1.0, metadata=SAMPLE_FIELD)


@dataclass(frozen=True)
class RQTransformer:
    """A spatial transformer over positions and a depth transformer over the codes of one position.

    ``soft_temperature`` is the temperature of soft targets and stochastic codes, None for hard targets. The rest as
    in :class:`GPT`.
    """

    body_layers: int
    head_layers: int
    heads: int
    width: int
    optimisation: Optimisation
    soft_temperature: float | None = 0.5
    dropout: float = 0.0
    classes: int = 0
    drop: float = 0.1
    top_k: int | None = field(default=None, metadata=SAMPLE_FIELD)
    top_p: float = field(default=1.0, metadata=SAMPLE_FIELD)
    temperature: float = field(default=1.0, metadata=SAMPLE_FIELD)
    guidance: float = field(default=1.0, metadata=SAMPLE_FIELD)


@dataclass(frozen=True)
class Choice:
    """How the next index is drawn; see :class:`GPT`."""

    top_k: int | None = None
    top_p: float = 1.0
    temperature: float = 1.0


def choice(settings: GPT | RQTransformer) -> Choice:
    """The part of the settings that drawing an index reads. Raises :class:`UsageError` for impossible values."""
    if settings.top_k is not None and settings.top_k < 1:
        raise UsageError(f"top_k={settings.top_k} leaves no index to draw; give at least 1, or none for all.")
    if not 0 < settings.top_p <= 1:
        raise UsageError(f"top_p={settings.top_p} is not a share of the probability; give more than 0 and at most 1.")
    if not settings.temperature > 0:
        raise UsageError(f"temperature={settings.temperature} is not above 0; top_k=1 draws the likeliest index.")
    return Choice(settings.top_k, settings.top_p, settings.temperature)
