"""Official IBQ weights. Their keys are those of taming-transformers, so nothing in a file tells it from a VQGAN's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from methods.autoencoder import lookup_checkpoint
from methods.autoencoder.checkpoint_families import Family, arrange
from methods.autoencoder.checkpoint_files import Foreign, read_as
from methods.autoencoder.lookup_model import LookupModel
from methods.autoencoder.quantizers.codebook import most_similar
from methods.ibq.presets import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from bench.contract import Build
    from methods.autoencoder.code_tokenizer import CodeTokenizer
    from methods.autoencoder.settings import Architecture, LookupSettings

FAMILY = Family("an IBQ tokenizer", keys=("encoder.mid.block_1.norm1.weight", "quantize.embedding.weight"))


def read(path: Path) -> Foreign:
    """Reads a checkpoint of IBQ."""
    return read_as(path, partial(arrange, FAMILY))


def identify(settings: LookupSettings, size: tuple[int, int], foreign: Foreign) -> tuple[LookupSettings, str | None]:
    """The settings of a file, and which published variant it holds, None for none."""
    return lookup_checkpoint.identify(settings, size, foreign, TABLE)


def checkpoint(settings: LookupSettings, build: Build, foreign: Foreign) -> CodeTokenizer:
    """The tokenizer, loaded strictly; the weights' own widths replace those of ``settings``."""
    return lookup_checkpoint.checkpoint(settings, build, foreign, model)


def model(architecture: Architecture, settings: LookupSettings) -> LookupModel:
    """The network, whose codes are found by inner product."""
    return LookupModel(architecture, settings, most_similar, unit=False)
