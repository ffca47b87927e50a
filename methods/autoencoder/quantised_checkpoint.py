"""Official weights of VQGAN, LDM's VQ variants and RQ-VAE: released archives, or the run folders of their trainers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from methods.autoencoder.checkpoint_files import Foreign, chosen
from methods.autoencoder.checkpoint_widths import check_size, count, expect, load, variant, widths
from methods.autoencoder.model import place
from methods.autoencoder.quantised import QuantisedModel, QuantisedTokenizer
from methods.autoencoder.quantised_settings import CodebookSettings, RQSettings, VQSettings
from methods.autoencoder.settings import PUBLISHED

if TYPE_CHECKING:
    from bench.contract import Build


def checkpoint(settings: CodebookSettings, build: Build, foreign: Foreign) -> QuantisedTokenizer:
    """Official or foreign weights, loaded strictly; their own widths replace those of ``settings``."""
    foreign = chosen(foreign, settings.ema)
    check(settings, foreign, build.size)
    own = as_settings(settings, foreign, build.size[0])
    model = QuantisedModel(own.architecture(build.size), own, build.seed)
    load(model, foreign.state, foreign.origin)
    place(model, build)
    return QuantisedTokenizer(model, own)


def check(settings: CodebookSettings, foreign: Foreign, size: tuple[int, int]) -> None:
    """Raises :class:`UsageError` for anything but a tokenizer with that quantiser for that image size."""
    expect("vq" if isinstance(settings, VQSettings) else "rq", foreign.state, foreign.origin)
    check_size(foreign.resolution, size, foreign.origin)


def as_settings(settings: CodebookSettings, foreign: Foreign, resolution: int) -> CodebookSettings:
    """``settings`` with the widths and the codebooks of foreign weights."""
    own = widths(settings, foreign.state, resolution, foreign.origin)
    return _one_codebook(own, foreign) if isinstance(own, VQSettings) else _residual(own, foreign)


def _one_codebook(settings: VQSettings, foreign: Foreign) -> VQSettings:
    codes = len(foreign.state["quantize.embedding.weight"])
    return replace(settings, n_embed=codes, codebook="gradient", kmeans_at=0, restart_below=0.0)


def _residual(settings: RQSettings, foreign: Foreign) -> RQSettings:
    """The last row of a codebook is padding. A shared codebook is stored once per depth."""
    depth = count(foreign.state, r"quantizer\.codebooks\.(\d+)\.weight")
    books = [foreign.state[f"quantizer.codebooks.{i}.weight"] for i in range(depth)]
    shared = all(book.shape == books[0].shape and bool((book == books[0]).all()) for book in books)
    return replace(settings, depth=depth, n_embed=len(books[0]) - 1, shared=shared, kmeans_at=0)


def identify(
    settings: CodebookSettings, size: tuple[int, int], foreign: Foreign, table: Mapping[str, CodebookSettings]
) -> tuple[CodebookSettings, str | None]:
    """``settings`` with the checkpoint's widths and codebooks, and the variant of ``table`` that it holds."""
    foreign = chosen(foreign, settings.ema)
    check(settings, foreign, size)
    published = as_settings(settings, foreign, foreign.resolution or PUBLISHED)
    return as_settings(settings, foreign, size[0]), variant(published, table)
