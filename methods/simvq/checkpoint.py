"""Official SimVQ weights; the keys are ours. The frozen vectors have no averages."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from methods.autoencoder import magvit_checkpoint
from methods.autoencoder.checkpoint_families import Family, arrange
from methods.autoencoder.checkpoint_files import Foreign, read_as
from methods.autoencoder.checkpoint_widths import State
from methods.simvq.model import SimVQModel
from methods.simvq.presets import TABLE, SimVQSettings

if TYPE_CHECKING:
    from pathlib import Path

    from bench.contract import Build
    from methods.autoencoder.code_tokenizer import CodeTokenizer

VECTORS = "quantize.embedding.weight"
FAMILY = Family(
    "a SimVQ tokenizer",
    keys=("quantize.embedding_proj.weight", VECTORS, "encoder.conv_in.weight"),
    frozen=(VECTORS,),
)


def read(path: Path) -> Foreign:
    """Reads a checkpoint of SimVQ."""
    return read_as(path, partial(arrange, FAMILY))


def widths(settings: SimVQSettings, state: State, origin: str) -> SimVQSettings:
    """``settings`` with the widths and the codebook of the weights."""
    return replace(magvit_checkpoint.widths(settings, state, origin), n_embed=len(state[VECTORS]))


def identify(settings: SimVQSettings, size: tuple[int, int], foreign: Foreign) -> tuple[SimVQSettings, str | None]:
    """The settings of a file, and which published variant it holds, None for none."""
    return magvit_checkpoint.identify(settings, size, foreign, TABLE, widths)


def checkpoint(settings: SimVQSettings, build: Build, foreign: Foreign) -> CodeTokenizer:
    """The tokenizer, loaded strictly; the weights' own widths replace those of ``settings``."""
    own, _ = identify(settings, build.size, foreign)
    return magvit_checkpoint.loaded(SimVQModel(own), own, build, foreign)
