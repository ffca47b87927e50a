"""Official TiTok weights; the keys are ours but for those of the proxy, which is a module of its own here."""

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
from methods.titok.model import RealTokens, TiTokModel
from methods.titok.presets import TABLE, TiTokSettings

if TYPE_CHECKING:
    from pathlib import Path

    from bench.contract import Build, Tokenizer

VECTORS, PROXY = "quantize.embedding.weight", "proxy.pixel_quantize.embedding.weight"


def renamed(key: str, state: State) -> str:
    """An official key as :mod:`methods.titok.model` names it."""
    return f"proxy.{key}" if key.startswith(("pixel_decoder.", "pixel_quantize.")) else key


FAMILY = Family(
    "a TiTok tokenizer",
    keys=("latent_tokens", "encoder.latent_token_positional_embedding"),
    ignored=("pixel_encoder.",),
    renamed=renamed,
)
"""The encoder of the proxy is for training alone."""


def read(path: Path) -> Foreign:
    """Reads a checkpoint of TiTok."""
    return read_as(path, partial(arrange, FAMILY))


def identify(settings: TiTokSettings, size: tuple[int, int], foreign: Foreign) -> tuple[TiTokSettings, str | None]:
    """``settings`` with the widths of the weights, and which published variant they are, None for none.

    Raises :class:`UsageError` where they are for images of another side.
    """
    foreign = chosen(foreign, settings.ema)
    with whole(foreign.origin):
        own = _widths(settings, foreign.state)
        patches = len(foreign.state["encoder.positional_embedding"]) - 1
    check_size(isqrt(patches) * own.patch, size, foreign.origin)
    return own, next((name for name, known in TABLE.items() if replace(known, ema=own.ema) == own), None)


def _widths(settings: TiTokSettings, state: State) -> TiTokSettings:
    tokens, width = state["latent_tokens"].shape
    decoder_width, token_size = state["decoder.decoder_embed.weight"].shape
    proxy_codes, proxy_size = state[PROXY].shape if PROXY in state else (0, 0)
    return replace(
        settings,
        width=width,
        layers=count(state, r"encoder\.transformer\.(\d+)\."),
        decoder_width=decoder_width,
        decoder_layers=count(state, r"decoder\.transformer\.(\d+)\."),
        patch=state["encoder.patch_embed.weight"].shape[-1],
        tokens=tokens,
        token_size=token_size,
        n_embed=len(state[VECTORS]) if VECTORS in state else 0,
        proxy_codes=proxy_codes,
        proxy_size=proxy_size,
        proxy_ch=len(state["proxy.pixel_decoder.norm_out.weight"]) if PROXY in state else 0,
    )


def checkpoint(settings: TiTokSettings, build: Build, foreign: Foreign) -> Tokenizer:
    """The tokenizer, loaded strictly; the weights' own widths replace those of ``settings``."""
    own, _ = identify(settings, build.size, foreign)
    model = TiTokModel(own, build.size)
    load(model, chosen(foreign, settings.ema).state, foreign.origin)
    place(model, build)
    return CodeTokenizer(model, own) if own.n_embed else RealTokens(model)
