"""Official LlamaGen weights: their keys count the decoder's levels from the deepest one."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from methods.autoencoder import lookup_checkpoint
from methods.autoencoder.checkpoint_families import Family, arrange
from methods.autoencoder.checkpoint_files import Foreign, read_as
from methods.autoencoder.checkpoint_layouts import State
from methods.autoencoder.checkpoint_widths import count
from methods.autoencoder.lookup_model import LookupModel
from methods.autoencoder.quantizers.codebook import nearest
from methods.llamagen.presets import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from bench.contract import Build
    from methods.autoencoder.code_tokenizer import CodeTokenizer
    from methods.autoencoder.settings import Architecture, LookupSettings

MIDDLE = {"0": "block_1", "1": "attn_1", "2": "block_2"}
DECODER = re.compile(r"decoder\.conv_blocks\.(\d+)\.")


def renamed(key: str, state: State) -> str:
    """An official key as :mod:`methods.autoencoder.autoencoder` names it, whose levels count from the finest."""
    deepest = count(state, DECODER.pattern) - 1
    key = DECODER.sub(lambda match: f"decoder.up.{deepest - int(match[1])}.", key)
    key = key.replace("encoder.conv_blocks.", "encoder.down.").replace(".res.", ".block.")
    return re.sub(r"(?<=\.mid\.)\d(?=\.)", lambda match: MIDDLE[match[0]], key)


FAMILY = Family(
    "a LlamaGen tokenizer",
    keys=("encoder.conv_blocks.0.res.0.norm1.weight",),
    ignored=("quantize.codebook_used",),
    renamed=renamed,
)
"""``codebook_used`` holds the codes of the latest training steps."""


def read(path: Path) -> Foreign:
    """Reads a checkpoint of LlamaGen's tokenizers."""
    return read_as(path, partial(arrange, FAMILY))


def identify(settings: LookupSettings, size: tuple[int, int], foreign: Foreign) -> tuple[LookupSettings, str | None]:
    """The settings of a file, and which published variant it holds, None for none."""
    return lookup_checkpoint.identify(settings, size, foreign, TABLE)


def checkpoint(settings: LookupSettings, build: Build, foreign: Foreign) -> CodeTokenizer:
    """The tokenizer, loaded strictly; the weights' own widths replace those of ``settings``."""
    return lookup_checkpoint.checkpoint(settings, build, foreign, model)


def model(architecture: Architecture, settings: LookupSettings) -> LookupModel:
    """The network, whose latents and codes have unit length."""
    return LookupModel(architecture, settings, nearest, unit=True)
