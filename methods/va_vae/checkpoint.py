"""Official VA-VAE weights: the keys of latent-diffusion beside the networks that trained them, which are left out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from methods.autoencoder.checkpoint_families import Family, arrange
from methods.autoencoder.checkpoint_files import Foreign, chosen, read_as
from methods.autoencoder.checkpoint_widths import check_size, expect, load, variant, widths
from methods.autoencoder.kl import KLModel, KLTokenizer
from methods.autoencoder.model import parts as autoencoder_parts
from methods.autoencoder.model import place
from methods.autoencoder.settings import PUBLISHED, NetworkSettings, published_architecture
from methods.va_vae.presets import TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.contract import Build, Part

FAMILY = Family("a VA-VAE", keys=("encoder.mid.block_1.norm1.weight", "quant_conv.weight"))


def read(path: Path) -> Foreign:
    """Reads a checkpoint of VA-VAE."""
    return read_as(path, partial(arrange, FAMILY))


def identify(settings: NetworkSettings, size: tuple[int, int], foreign: Foreign) -> tuple[NetworkSettings, str | None]:
    """The settings of a file, and which published variant it holds, None for none."""
    foreign = chosen(foreign, settings.ema)
    expect("kl", foreign.state, foreign.origin)
    check_size(foreign.resolution, size, foreign.origin)
    own = widths(settings, foreign.state, PUBLISHED, foreign.origin)
    return own, variant(own, TABLE)


def checkpoint(settings: NetworkSettings, build: Build, foreign: Foreign) -> KLTokenizer:
    """The tokenizer, loaded strictly; the weights' own widths replace those of ``settings``."""
    own, _ = identify(settings, build.size, foreign)
    model = KLModel(published_architecture(own, build.size, double_z=True), own.embed_dim)
    load(model, chosen(foreign, settings.ema).state, foreign.origin)
    place(model, build)
    return KLTokenizer(model, own)


def parts(settings: NetworkSettings, build: Build) -> Sequence[Part]:
    """Bare encoder and decoder, as the published costs count them."""
    return autoencoder_parts(published_architecture(settings, build.size, double_z=True), 0)
