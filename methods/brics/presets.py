"""The sizes of BRICS at every preset. Imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

from bench.contract import RECON_FIELD
from bench.errors import UsageError

VARIANTS = ("8x8x4", "8x8x8", "16x16x4", "16x16x8", "16x16x16", "32x32x4", "32x32x8", "64x64x4")
"""Code sizes: height x width x channels of the key codes."""


@dataclass(frozen=True)
class GridSettings:
    """One group of grids: ``levels`` cubes of ``coarsest`` to ``finest`` cells, of at most 2^``table_log2`` entries.

    ``channels`` is the length of an entry; entries start uniform in [-``init``, ``init``].
    """

    coarsest: int = 16
    finest: int = 64
    levels: int = 16
    channels: int = 4
    table_log2: int = 18
    init: float = 1e-4


@dataclass(frozen=True)
class EncoderSettings:
    """``width`` doubles from level to level up to ``widest``; ``attention`` lists the sides that have it.

    ``patch`` is the factor of the pixel unshuffle before the first convolution; 1 for none. ``slope`` is that of the
    leaky ReLUs. A norm has 32 groups, fewer where they would have less than ``group_width`` channels.
    """

    width: int = 32
    widest: int = 512
    blocks: int = 2
    attention: tuple[int, ...] = ()
    patch: int = 1
    slope: float = 0.01
    group_width: int = 1


@dataclass(frozen=True)
class LossSettings:
    """Weights of the losses; 0 leaves a loss, and the network it needs, out.

    ``r1`` is gamma, ``r1_every`` the steps between two turns of R1; the discriminator is
    ``discriminator_base / side`` channels wide at each side, at most 512, and on CUDA runs in float16 at its
    ``discriminator_half`` highest resolutions, in float32 at the others and elsewhere. 0: in the precision of the run.
    """

    mse: float = 20.0
    perceptual: float = 5.0
    adversarial: float = 1.0
    kl: float = 1e-6
    r1: float = 4.0
    r1_every: int = 16
    discriminator_base: int = 32768
    discriminator_half: int = 4


@dataclass(frozen=True)
class Settings:
    """A BRICS tokenizer and its training.

    - ``code_side``, ``code_channels``: size of the key codes; each channel has a group of grids.
    - ``codes``: "d" keys with bounded training noise (the paper's relaxed precision), "c" keys regularised by a KL
      term, "plain" neither. The prior's noise schedule is in ``prior.py``.
    - ``bits``: the keys are rounded to that many bits, 1 to 16, and are then categorical codes of known rate; None
      leaves them continuous. Training does not depend on it.
    - ``key_gain`` multiplies the encoder's output before the sigmoid.
    - ``feature_side``, ``feature_channels``: the map that the grids fill and the decoder starts from.
    - ``hidden``, ``group_style``: widths of a group's MLPs and of its style.
    - ``mlps``: "released" as in :mod:`methods.brics.retrieval`; "equalised" with StyleGAN2's activations, start and
      order of bias and demodulation, and with styles that end in a linear layer.
    - ``style_rate``, ``mapping_rate``: learning rates of the MLPs that give a group's style and its share of the
      decoder's, relative to the other layers of the decoder.
    - ``layers``: 3x3 layers of a decoder block, besides its upsampling layer; ``patch``: factor of the pixel shuffle
      behind the decoder, 1 for none.
    - ``learning_rate``: the encoder's; the decoder's layers have equalised learning rates, so theirs is larger where
      training is short.
    - ``synthesis_noise``: whether the decoder has noise inputs while it is trained.
    - ``checkpointing``: recompute each block's activations in the backward pass instead of keeping them.
    - ``half_life``: of the moving average of weights, in images; 0 for none.
    """

    code_side: int
    code_channels: int
    codes: Literal["d", "c", "plain"] = "d"
    bits: int | None = field(default=None, metadata=RECON_FIELD)
    key_gain: float = 1.0
    feature_side: int = 64
    feature_channels: int = 512
    hidden: int = 64
    group_style: int = 128
    mlps: Literal["released", "equalised"] = "released"
    style_rate: float = 0.01
    mapping_rate: float = 0.01
    layers: int = 2
    patch: int = 1
    synthesis_noise: bool = True
    grids: GridSettings = field(default_factory=GridSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    losses: LossSettings = field(default_factory=LossSettings)
    batch: int = 32
    learning_rate: float = 2e-3
    decoder_learning_rate: float = 2e-3
    grid_learning_rate: float = 2e-3
    beta1: float = 0.0
    beta2: float = 0.99
    warm_up: float = 0.0
    cosine: bool = False
    half_life: float = 10_000.0
    checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.bits is not None and not 1 <= self.bits <= 16:
            raise UsageError(f"BRICS has no keys of {self.bits} bits; write bits=1 to bits=16.")

    @property
    def key_noise(self) -> float:
        """Standard deviation of the keys' training noise: two of it are half a cell of the finest grid."""
        return 1 / (4 * self.grids.finest) if self.codes == "d" else 0.0


_PLAIN_MSE = LossSettings(mse=1.0, perceptual=0.0, adversarial=0.0, kl=1e-6, r1=0.0)

_SMOKE = Settings(
    code_side=8, code_channels=4, key_gain=4.0, feature_side=8, feature_channels=32, hidden=16, group_style=16,
    mlps="equalised", style_rate=1.0, layers=1, patch=2, synthesis_noise=False,
    grids=GridSettings(coarsest=4, finest=8, levels=3, init=1e-2),
    encoder=EncoderSettings(width=16, blocks=1, patch=4, slope=0.2, group_width=4), losses=_PLAIN_MSE,
    batch=16, decoder_learning_rate=1e-2, grid_learning_rate=1e-2, beta1=0.9, warm_up=0.05, cosine=True, half_life=0,
)  # fmt: skip

_SMALL = Settings(
    code_side=16, code_channels=4, key_gain=4.0, feature_side=16, feature_channels=64, hidden=32, group_style=32,
    mlps="equalised", style_rate=1.0, layers=1, patch=2, synthesis_noise=False,
    grids=GridSettings(coarsest=4, finest=16, levels=6, init=1e-2),
    encoder=EncoderSettings(width=48, blocks=1, patch=4, slope=0.2, group_width=4), losses=_PLAIN_MSE,
    batch=16, decoder_learning_rate=1e-2, grid_learning_rate=1e-2, beta1=0.9, warm_up=0.05, cosine=True, half_life=0,
)  # fmt: skip

_MEDIUM = Settings(
    code_side=16, code_channels=8, feature_side=32, feature_channels=256,
    grids=GridSettings(coarsest=4, finest=32, table_log2=16),
)  # fmt: skip

_PAPER = Settings(code_side=64, code_channels=4, encoder=EncoderSettings(attention=(64,)))

_RESOLUTION = {"smoke": 32, "small": 64, "medium": 128, "paper": 256}
_PRESETS = {"smoke": _SMOKE, "small": _SMALL, "medium": _MEDIUM, "paper": _PAPER}

KEY_BITS = 8
"""Bits of a key in the rate of continuous keys, and in the images decoded from them."""

_PAPER_GRIDS = {
    "16x16x8": GridSettings(coarsest=4),
    "32x32x8": GridSettings(coarsest=4),
    "32x32x4": GridSettings(coarsest=4),
    "16x16x16": GridSettings(coarsest=8, finest=256, table_log2=16),
}
"""Candidates for code sizes whose grids were not published; the README says which of them fit the printed counts."""


def decoding_noise(settings: Settings) -> dict[str, float]:
    """Standard deviations of the noise on the keys and of the decoder's noise inputs (before their learnt strength)."""
    return {
        **({"keys": settings.key_noise} if settings.key_noise else {}),
        **({"synthesis": 1.0} if settings.synthesis_noise else {}),
    }


def bit_depth(settings: Settings) -> int | None:
    """8-bit keys; keys that the setting ``bits`` rounds already are indices."""
    return KEY_BITS if settings.bits is None else None


def networks(settings: Settings) -> tuple[str, ...]:
    """The pretrained networks in the losses: VGG16 where the perceptual loss has a weight."""
    return ("vgg16",) if settings.losses.perceptual else ()


def settings(preset: str, variant: str | None) -> Settings:
    """The settings of a preset at a code size such as "16x16x8", or at the preset's default."""
    base = _PRESETS[preset]
    if variant is None:
        return base
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)", variant)
    if not match or match[1] != match[2]:
        raise UsageError(f"BRICS has no code size '{variant}'; write one such as {', '.join(VARIANTS)}.")
    side, channels = int(match[1]), int(match[3])
    factor = max(1, _RESOLUTION[preset] // side)
    sized = replace(
        base,
        code_side=side,
        code_channels=channels,
        feature_side=max(base.feature_side, side),
        patch=min(base.patch, factor),
        encoder=replace(base.encoder, patch=min(base.encoder.patch, factor)),
    )
    if preset == "paper":
        attention = base.encoder.attention if side == base.code_side else ()
        grids = _PAPER_GRIDS.get(variant, base.grids)
        return replace(sized, grids=grids, encoder=replace(base.encoder, attention=attention))
    return sized
