"""Official weights of the KL-regularised autoencoders: the published archives, or a run folder of latent-diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.autoencoder.checkpoint_files import Foreign, chosen
from methods.autoencoder.checkpoint_widths import PUBLISHED, check_resolution, expect, load, variant, widths
from methods.autoencoder.model import place
from methods.kl_ldm.model import KLModel, KLTokenizer
from methods.kl_ldm.presets import TABLE, KLSettings

if TYPE_CHECKING:
    from bench.contract import Build


def checkpoint(settings: KLSettings, build: Build, foreign: Foreign) -> KLTokenizer:
    """Official or foreign weights, loaded strictly; their own widths replace those of ``settings``."""
    foreign = chosen(foreign, settings.ema)
    check(foreign, build.resolution)
    own = widths(settings, foreign.state, build.resolution, foreign.origin)
    model = KLModel(own.architecture(build.resolution, double_z=True), own)
    load(model, foreign.state, foreign.origin)
    place(model, build)
    return KLTokenizer(model, own)


def check(foreign: Foreign, resolution: int) -> None:
    """Raises :class:`UsageError` for anything but a KL-regularised autoencoder for that resolution."""
    expect("kl", foreign.state, foreign.origin)
    check_resolution(foreign.resolution, resolution, foreign.origin)


def identify(settings: KLSettings, resolution: int, foreign: Foreign) -> tuple[KLSettings, str | None]:
    """The settings of a file or run folder, and which published variant it holds, None for none."""
    foreign = chosen(foreign, settings.ema)
    check(foreign, resolution)
    published = widths(settings, foreign.state, foreign.resolution or PUBLISHED, foreign.origin)
    own = widths(settings, foreign.state, resolution, foreign.origin)
    return own, variant(published, TABLE["paper"])
