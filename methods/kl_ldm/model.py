"""What trains the KL-regularised autoencoder, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.autoencoder.kl import KLModel, KLTokenizer
from methods.autoencoder.learner import AutoencoderLearner
from methods.autoencoder.model import parts as autoencoder_parts
from methods.autoencoder.model import place
from methods.kl_ldm.presets import KLSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.contract import Build, Part


def learner(settings: KLSettings, build: Build) -> AutoencoderLearner:
    """What trains the tokenizer."""
    model = KLModel(settings.architecture(build.size, double_z=True), settings.embed_dim, settings.kl_weight)
    place(model, build)
    return AutoencoderLearner(model, settings, build, lambda: KLTokenizer(model, settings))


def parts(settings: KLSettings, build: Build) -> Sequence[Part]:
    """Bare encoder and decoder, as the published costs count them."""
    return autoencoder_parts(settings.architecture(build.size, double_z=True), 0)
