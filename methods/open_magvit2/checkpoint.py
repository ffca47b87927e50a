"""Official Open-MAGVIT2 weights; the keys are ours."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from methods.autoencoder import magvit_checkpoint
from methods.autoencoder.checkpoint_families import Family, arrange
from methods.autoencoder.checkpoint_files import Foreign, read_as
from methods.autoencoder.magvit_settings import MagvitSettings
from methods.open_magvit2.model import LookupFreeModel
from methods.open_magvit2.presets import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from bench.contract import Build
    from methods.autoencoder.code_tokenizer import CodeTokenizer

FAMILY = Family("an Open-MAGVIT2 tokenizer", keys=("decoder.adaptive.0.gamma.weight", "encoder.conv_in.weight"))


def read(path: Path) -> Foreign:
    """Reads a checkpoint of Open-MAGVIT2."""
    return read_as(path, partial(arrange, FAMILY))


def identify(settings: MagvitSettings, size: tuple[int, int], foreign: Foreign) -> tuple[MagvitSettings, str | None]:
    """The settings of a file, and which published variant it holds, None for none."""
    return magvit_checkpoint.identify(settings, size, foreign, TABLE)


def checkpoint(settings: MagvitSettings, build: Build, foreign: Foreign) -> CodeTokenizer:
    """The tokenizer, loaded strictly; the weights' own widths replace those of ``settings``."""
    own, _ = identify(settings, build.size, foreign)
    return magvit_checkpoint.loaded(LookupFreeModel(own), own, build, foreign)
