"""Official BSQ-ViT weights; the keys are ours."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import isqrt
from typing import TYPE_CHECKING

from methods.autoencoder.checkpoint_families import Family, arrange
from methods.autoencoder.checkpoint_files import Foreign, chosen, read_as
from methods.autoencoder.checkpoint_layouts import State
from methods.autoencoder.checkpoint_widths import check_size, count, load, whole
from methods.autoencoder.code_tokenizer import CodeTokenizer
from methods.autoencoder.model import place
from methods.bsq_vit.model import BSQModel
from methods.bsq_vit.presets import TABLE, BSQSettings

if TYPE_CHECKING:
    from pathlib import Path

    from bench.contract import Build

FAMILY = Family(
    "a BSQ-ViT tokenizer",
    keys=("quant_embed.weight", "encoder.transformer.resblocks.0.ln_1.weight"),
    ignored=("quantize.basis", "quantize.group_basis"),
)
"""The two buffers say what a bit is worth in the official index."""


def read(path: Path) -> Foreign:
    """Reads a checkpoint of BSQ-ViT."""
    return read_as(path, partial(arrange, FAMILY))


def identify(settings: BSQSettings, size: tuple[int, int], foreign: Foreign) -> tuple[BSQSettings, str | None]:
    """``settings`` with the widths of the weights, and which published variant they are, None for none.

    Raises :class:`UsageError` where they are for images of another side.
    """
    foreign = chosen(foreign, settings.ema)
    with whole(foreign.origin):
        own = _widths(settings, foreign.state)
        cells = len(foreign.state["encoder.positional_embedding"])
    check_size(isqrt(cells) * own.patch, size, foreign.origin)
    return own, next((name for name, known in TABLE.items() if replace(known, ema=own.ema) == own), None)


def _widths(settings: BSQSettings, state: State) -> BSQSettings:
    bits, width = state["quant_embed.weight"].shape
    return replace(
        settings,
        width=width,
        layers=count(state, r"encoder\.transformer\.resblocks\.(\d+)\."),
        hidden=len(state["decoder.ffn.0.bias"]),
        patch=isqrt(state["encoder.conv1.weight"].shape[1] // 3),
        bits=bits,
    )


def checkpoint(settings: BSQSettings, build: Build, foreign: Foreign) -> CodeTokenizer:
    """The tokenizer, loaded strictly; the weights' own widths replace those of ``settings``."""
    own, _ = identify(settings, build.size, foreign)
    model = BSQModel(own, build.size)
    load(model, chosen(foreign, settings.ema).state, foreign.origin)
    place(model, build)
    return CodeTokenizer(model, own)
