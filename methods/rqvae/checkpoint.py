"""Official RQ-VAE weights: the released archives, or a run folder of rq-vae-transformer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from methods.autoencoder.checkpoint_files import Foreign
from methods.autoencoder.checkpoint_widths import (
    PUBLISHED,
    check_size,
    count,
    expect,
    load_strictly,
    variant,
    widths,
)
from methods.autoencoder.model import place
from methods.autoencoder.quantised_settings import RQSettings
from methods.rqvae.model import RQModel, RQTokenizer
from methods.rqvae.presets import TABLE

if TYPE_CHECKING:
    from bench.contract import Build


def checkpoint(settings: RQSettings, build: Build, foreign: Foreign) -> RQTokenizer:
    """Official or foreign weights, loaded strictly; their own widths replace those of ``settings``."""
    check(foreign, build.size)
    own = as_settings(settings, foreign, build.size[0])
    model = RQModel(own.architecture(build.size), own, build.seed)
    load_strictly(model, foreign.state, foreign.origin)
    place(model, build)
    return RQTokenizer(model, own)


def as_settings(settings: RQSettings, foreign: Foreign, resolution: int) -> RQSettings:
    """``settings`` with the widths, depth and codebook of foreign weights.

    The last row of a codebook is padding. A shared codebook is stored once per depth.
    """
    own = widths(settings, foreign.state, resolution, foreign.origin)
    depth = count(foreign.state, r"quantizer\.codebooks\.(\d+)\.weight")
    books = [foreign.state[f"quantizer.codebooks.{i}.weight"] for i in range(depth)]
    shared = all(book.shape == books[0].shape and bool((book == books[0]).all()) for book in books)
    return replace(own, depth=depth, n_embed=len(books[0]) - 1, shared=shared, kmeans_at=0)


def check(foreign: Foreign, size: tuple[int, int]) -> None:
    """Raises :class:`UsageError` for anything but an RQ-VAE for that image size."""
    expect("rq", foreign.state, foreign.origin)
    check_size(foreign.resolution, size, foreign.origin)


def identify(settings: RQSettings, size: tuple[int, int], foreign: Foreign) -> tuple[RQSettings, str | None]:
    """The settings of a file or run folder, and which published variant it holds, None for none."""
    check(foreign, size)
    published = as_settings(settings, foreign, foreign.resolution or PUBLISHED)
    return as_settings(settings, foreign, size[0]), variant(published, TABLE["paper"])
