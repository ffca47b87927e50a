"""Official weights of VQGAN and of LDM's VQ variants, whose layouts are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from methods.autoencoder.checkpoint_files import Foreign
from methods.autoencoder.checkpoint_widths import PUBLISHED, check_size, expect, load_strictly, variant, widths
from methods.autoencoder.model import place
from methods.autoencoder.quantised import VQModel, VQTokenizer
from methods.autoencoder.quantised_settings import VQSettings

if TYPE_CHECKING:
    from bench.contract import Build


def checkpoint(settings: VQSettings, build: Build, foreign: Foreign) -> VQTokenizer:
    """Official or foreign weights, loaded strictly; their own widths replace those of ``settings``."""
    check(foreign, build.size)
    own = as_settings(settings, foreign, build.size[0])
    model = VQModel(own.architecture(build.size), own, build.seed)
    load_strictly(model, foreign.state, foreign.origin)
    place(model, build)
    return VQTokenizer(model, own)


def as_settings(settings: VQSettings, foreign: Foreign, resolution: int) -> VQSettings:
    """``settings`` with the widths and the codebook of foreign weights."""
    own = widths(settings, foreign.state, resolution, foreign.origin)
    count = foreign.state["quantize.embedding.weight"].shape[0]
    return replace(own, n_embed=count, codebook="gradient", kmeans_at=0, restart_below=0.0)


def check(foreign: Foreign, size: tuple[int, int]) -> None:
    """Raises :class:`UsageError` for anything but a vector-quantised tokenizer for that image size."""
    expect("vq", foreign.state, foreign.origin)
    check_size(foreign.resolution, size, foreign.origin)


def identify(
    settings: VQSettings, size: tuple[int, int], foreign: Foreign, table: Mapping[str, VQSettings]
) -> tuple[VQSettings, str | None]:
    """``settings`` with the checkpoint's widths and codebook, and the variant of ``table`` that it holds."""
    check(foreign, size)
    published = as_settings(settings, foreign, foreign.resolution or PUBLISHED)
    return as_settings(settings, foreign, size[0]), variant(published, table)
