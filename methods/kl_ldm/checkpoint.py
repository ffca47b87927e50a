"""Official weights of the KL-regularised autoencoders: the published archives, or a run folder of latent-diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.kl_ldm.model import KLModel, KLTokenizer
from methods.kl_ldm.presets import TABLE, KLSettings
from methods.layers.foreign import read
from methods.layers.inference import PUBLISHED, check_resolution, expect, load_strictly, variant, widths
from methods.layers.model import place

if TYPE_CHECKING:
    from pathlib import Path

    from bench.contract import Build


def checkpoint(settings: KLSettings, build: Build, path: Path) -> KLTokenizer:
    """Official or foreign weights, loaded strictly; their own widths replace those of ``settings``."""
    foreign = read(path)
    expect("kl", foreign.state, foreign.origin)
    check_resolution(foreign.resolution, build.resolution, foreign.origin)
    own = widths(settings, foreign.state, build.resolution, foreign.origin)
    model = KLModel(own.architecture(build.resolution, double_z=True), own)
    load_strictly(model, foreign.state, foreign.origin)
    place(model, build)
    return KLTokenizer(model, own)


def identify(path: Path) -> tuple[str | None, int | None]:
    """Which published variant a file or run folder holds, and for which resolution, as far as that is known."""
    foreign = read(path)
    expect("kl", foreign.state, foreign.origin)
    own = widths(KLSettings(), foreign.state, foreign.resolution or PUBLISHED, foreign.origin)
    return variant(own, TABLE["paper"]), foreign.resolution
