"""From the shapes of official weights to the network of Open-MAGVIT2 that has them, and its cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import nn

from bench.contract import Part
from methods.autoencoder.checkpoint_files import Foreign, chosen
from methods.autoencoder.checkpoint_widths import State, check_size, count, load, whole
from methods.autoencoder.code_tokenizer import CodeModel, CodeTokenizer
from methods.autoencoder.magvit_network import Decoder, Encoder
from methods.autoencoder.magvit_settings import MagvitSettings
from methods.autoencoder.model import parameters, place

if TYPE_CHECKING:
    from bench.contract import Build

S = TypeVar("S", bound=MagvitSettings)


def widths(settings: S, state: State, origin: str) -> S:
    """``settings`` with the widths of the encoder and decoder as ``state`` has them.

    Raises :class:`IntegrityError` where it lacks the weights that name them.
    """
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
        adaptive="decoder.adaptive.0.gamma.weight" in state,
    )


def identify(
    settings: S,
    size: tuple[int, int],
    foreign: Foreign,
    table: Mapping[str, S],
    fixed: Callable[[S, State, str], S] = widths,
) -> tuple[S, str | None]:
    """``settings`` as ``fixed`` by the weights, and the variant of ``table`` that they are, None for none.

    Raises :class:`UsageError` where their configuration is for another image size.
    """
    foreign = chosen(foreign, settings.ema)
    if foreign.resolution is not None:
        check_size(foreign.resolution, size, foreign.origin)
    own = fixed(settings, foreign.state, foreign.origin)
    return own, next((name for name, known in table.items() if replace(known, ema=own.ema) == own), None)


def loaded(model: CodeModel, settings: MagvitSettings, build: Build, foreign: Foreign) -> CodeTokenizer:
    """The tokenizer with all of the weights in all of ``model``."""
    load(cast(nn.Module, model), chosen(foreign, settings.ema).state, foreign.origin)
    place(model, build)
    return CodeTokenizer(model, settings)


def parts(settings: MagvitSettings, build: Build, codebook: int) -> Sequence[Part]:
    """Bare encoder and decoder on the meta device; ``codebook`` is how many values stand between them."""
    height, width = (side // settings.stride for side in build.size)
    with torch.device("meta"):
        encoder, decoder = Encoder(settings).eval(), Decoder(settings).eval()
        images, cells = torch.empty(1, 3, *build.size), torch.empty(1, settings.z_channels, height, width)
    return (
        Part("encoder", "encoder", lambda: encoder(images), {"network": parameters(encoder)}),
        Part("decoder", "decoder", lambda: decoder(cells), {"network": parameters(decoder), "codebook": codebook}),
    )
