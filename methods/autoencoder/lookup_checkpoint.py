"""Official weights of a published network with a codebook, brought to a tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from torch import nn

from methods.autoencoder.checkpoint_files import Foreign, chosen
from methods.autoencoder.checkpoint_widths import check_size, load, variant, widths
from methods.autoencoder.code_tokenizer import CodeModel, CodeTokenizer
from methods.autoencoder.model import place
from methods.autoencoder.settings import PUBLISHED, Architecture, LookupSettings, published_architecture

if TYPE_CHECKING:
    from bench.contract import Build

Make = Callable[[Architecture, LookupSettings], CodeModel]


def identify(
    settings: LookupSettings, size: tuple[int, int], foreign: Foreign, table: Mapping[str, LookupSettings]
) -> tuple[LookupSettings, str | None]:
    """``settings`` with the widths of the weights, and the variant of ``table`` that they are, None for none.

    Raises :class:`UsageError` where their configuration is for another image size.
    """
    foreign = chosen(foreign, settings.ema)
    check_size(foreign.resolution, size, foreign.origin)
    own = widths(settings, foreign.state, PUBLISHED, foreign.origin)
    own = replace(own, n_embed=len(foreign.state["quantize.embedding.weight"]))
    return own, variant(own, table)


def checkpoint(settings: LookupSettings, build: Build, foreign: Foreign, make: Make) -> CodeTokenizer:
    """The tokenizer of the weights, loaded strictly; their own widths replace those of ``settings``."""
    own, _ = identify(settings, build.size, foreign, {})
    architecture = published_architecture(own, build.size)
    model = make(architecture, own)
    load(cast(nn.Module, model), chosen(foreign, settings.ema).state, foreign.origin)
    place(model, build)
    return CodeTokenizer(model, (own, architecture))
