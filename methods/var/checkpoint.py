"""Official VAR weights: their attention has queries, keys and values in one convolution."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from methods.autoencoder import lookup_checkpoint
from methods.autoencoder.checkpoint_families import Family, arrange
from methods.autoencoder.checkpoint_files import Foreign, read_as
from methods.autoencoder.checkpoint_layouts import State
from methods.var.model import VARModel
from methods.var.presets import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from bench.contract import Build
    from methods.autoencoder.code_tokenizer import CodeTokenizer
    from methods.autoencoder.settings import LookupSettings


def split(state: State) -> dict[str, Tensor]:
    """The state with every ``qkv`` as ``q``, ``k`` and ``v``, thirds of its first axis."""
    apart: dict[str, Tensor] = {}
    for key, value in state.items():
        names = [key.replace(".qkv.", f".{name}.") for name in "qkv"] if ".qkv." in key else [key]
        apart |= dict(zip(names, value.chunk(len(names)), strict=True))
    return apart


FAMILY = Family(
    "a VAR tokenizer",
    keys=("quantize.quant_resi.qresi_ls.0.weight", "encoder.mid.block_1.norm1.weight"),
    ignored=("quantize.ema_vocab_hit_SV",),
    split=split,
)
"""``ema_vocab_hit_SV`` counts how often training met each code."""


def read(path: Path) -> Foreign:
    """Reads a checkpoint of VAR's tokenizer."""
    return read_as(path, partial(arrange, FAMILY))


def identify(settings: LookupSettings, size: tuple[int, int], foreign: Foreign) -> tuple[LookupSettings, str | None]:
    """The settings of a file, and which published variant it holds, None for none."""
    return lookup_checkpoint.identify(settings, size, foreign, TABLE)


def checkpoint(settings: LookupSettings, build: Build, foreign: Foreign) -> CodeTokenizer:
    """The tokenizer, loaded strictly; the weights' own widths replace those of ``settings``."""
    return lookup_checkpoint.checkpoint(settings, build, foreign, VARModel)
