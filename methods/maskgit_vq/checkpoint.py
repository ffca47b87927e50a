"""Official weights in two styles of keys: those of open-muse and TiTok, which are ours, and those of MaskBit's code."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from methods.autoencoder.checkpoint_families import Family, arrange
from methods.autoencoder.checkpoint_files import Foreign, chosen, read_as
from methods.autoencoder.checkpoint_layouts import State
from methods.autoencoder.checkpoint_widths import check_size, count, load, whole
from methods.autoencoder.code_tokenizer import CodeTokenizer
from methods.autoencoder.maskgit_settings import MaskGITSettings
from methods.autoencoder.model import place
from methods.maskgit_vq.model import MaskGITModel
from methods.maskgit_vq.presets import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from bench.contract import Build

UP = re.compile(r"decoder\.up\.(\d+)\.")
VECTORS = "quantize.embedding.weight"


def renamed(key: str, state: State) -> str:
    """An official key as :mod:`methods.autoencoder.maskgit_network` names it.

    The decoder of MaskBit's code counts its levels from the deepest, its older one for MaskGIT from the finest: only
    the finest level does not enlarge.
    """
    if "decoder.up.0.upsample_conv.weight" in state:
        deepest = count(state, UP.pattern) - 1
        key = UP.sub(lambda match: f"decoder.up.{deepest - int(match[1])}.", key)
    return key.replace(".mid.res_blocks.", ".mid.").replace(".res_blocks.", ".block.")


TABLES = ("quantize.bits_to_indices", "quantize.codebook")
"""What a bit is worth in the official index, and all codes as bits: MaskBit's files have them beside the weights."""
FAMILY = Family(
    "a MaskGIT-VQGAN, VQGAN+ or MaskBit tokenizer",
    keys=("decoder.up.1.upsample_conv.weight", "encoder.conv_in.weight"),
    ignored=TABLES,
    renamed=renamed,
)


def read(path: Path) -> Foreign:
    """Reads a checkpoint of MaskGIT's tokenizer, VQGAN+ or MaskBit."""
    return read_as(path, partial(arrange, FAMILY))


def identify(settings: MaskGITSettings, size: tuple[int, int], foreign: Foreign) -> tuple[MaskGITSettings, str | None]:
    """``settings`` with the widths of the weights, and which published variant they are, None for none."""
    foreign = chosen(foreign, settings.ema)
    if foreign.resolution is not None:
        check_size(foreign.resolution, size, foreign.origin)
    own = _widths(settings, foreign.state, foreign.origin)
    return own, next((name for name, known in TABLE.items() if replace(known, ema=own.ema) == own), None)


def _widths(settings: MaskGITSettings, state: State, origin: str) -> MaskGITSettings:
    with whole(origin):
        ch = state["encoder.conv_in.weight"].shape[0]
        levels = count(state, r"encoder\.down\.(\d+)\.")
        per_level = [state[f"encoder.down.{i}.block.0.conv2.weight"].shape[0] for i in range(levels)]
        z_channels = state["decoder.conv_in.weight"].shape[1]
    return replace(
        settings,
        ch=ch,
        ch_mult=tuple(width // ch for width in per_level),
        num_res_blocks=count(state, r"encoder\.down\.0\.block\.(\d+)\."),
        z_channels=z_channels,
        n_embed=len(state[VECTORS]) if VECTORS in state else 0,
        strided="encoder.down.0.down_conv.weight" in state,
    )


def checkpoint(settings: MaskGITSettings, build: Build, foreign: Foreign) -> CodeTokenizer:
    """The tokenizer, loaded strictly; the weights' own widths replace those of ``settings``."""
    own, _ = identify(settings, build.size, foreign)
    model = MaskGITModel(own)
    load(model, chosen(foreign, settings.ema).state, foreign.origin)
    place(model, build)
    return CodeTokenizer(model, own)
