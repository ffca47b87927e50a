"""Official weights of the KL-regularised autoencoders: the published archives, or a run folder of latent-diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.autoencoder.checkpoint_files import Foreign, chosen
from methods.autoencoder.checkpoint_widths import check_size, expect, load, variant, widths
from methods.autoencoder.kl import KLModel, KLTokenizer
from methods.autoencoder.model import place
from methods.autoencoder.settings import PUBLISHED
from methods.kl_ldm.presets import TABLE, KLSettings

if TYPE_CHECKING:
    from bench.contract import Build


def checkpoint(settings: KLSettings, build: Build, foreign: Foreign) -> KLTokenizer:
    """Official or foreign weights, loaded strictly; their own widths replace those of ``settings``."""
    foreign = chosen(foreign, settings.ema)
    check(foreign, build.size)
    own = widths(settings, foreign.state, build.size[0], foreign.origin)
    model = KLModel(own.architecture(build.size, double_z=True), own.embed_dim, own.kl_weight)
    load(model, foreign.state, foreign.origin)
    place(model, build)
    return KLTokenizer(model, own)


def check(foreign: Foreign, size: tuple[int, int]) -> None:
    """Raises :class:`UsageError` for anything but a KL-regularised autoencoder for that image size."""
    expect("kl", foreign.state, foreign.origin)
    check_size(foreign.resolution, size, foreign.origin)


def identify(settings: KLSettings, size: tuple[int, int], foreign: Foreign) -> tuple[KLSettings, str | None]:
    """The settings of a file or run folder, and which published variant it holds, None for none."""
    foreign = chosen(foreign, settings.ema)
    check(foreign, size)
    published = widths(settings, foreign.state, foreign.resolution or PUBLISHED, foreign.origin)
    own = widths(settings, foreign.state, size[0], foreign.origin)
    return own, variant(published, TABLE["paper"])
