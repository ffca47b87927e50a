"""From the shapes of official weights to the architecture that has them.

Every width of the encoder and decoder can be read off the key names and shapes, so a checkpoint without a configuration
file is loaded as strictly as one with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, TypeVar

from bench.core.images import square
from bench.errors import IntegrityError, UsageError
from bench.pretrained.weights import load_strictly
from methods.autoencoder.settings import PUBLISHED, NetworkSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

State = Mapping[str, "Tensor"]
S = TypeVar("S", bound=NetworkSettings)


def count(state: State, pattern: str) -> int:
    """How many consecutive numbers, from 0, stand where ``pattern`` has its group."""
    numbers = {int(match[1]) for key in state if (match := re.match(pattern, key))}
    return next(n for n in range(len(numbers) + 1) if n not in numbers)


@contextmanager
def whole(origin: str) -> Iterator[None]:
    """Inside, a key that a state lacks is an :class:`IntegrityError` that names it."""
    try:
        yield
    except KeyError as error:
        raise IntegrityError(f"{origin} lacks the key {error}; it is no complete tokenizer.") from error


def widths(settings: S, state: State, resolution: int, origin: str) -> S:
    """``settings`` with the network's widths as ``state`` has them, for images of ``resolution`` pixels.

    Raises :class:`IntegrityError` where the encoder lacks the weights that name its widths.
    """
    levels = count(state, r"encoder\.down\.(\d+)\.")
    with whole(origin):
        ch = state["encoder.conv_in.weight"].shape[0]
        per_level = [state[f"encoder.down.{i}.block.0.conv2.weight"].shape[0] for i in range(levels)]
        z_channels = state["decoder.conv_in.weight"].shape[1]
        embed_dim = state["post_quant_conv.weight"].shape[1]
    attending = tuple(resolution // 2**i for i in range(levels) if f"encoder.down.{i}.attn.0.q.weight" in state)
    decoding = tuple(resolution // 2**i for i in range(levels) if f"decoder.up.{i}.attn.0.q.weight" in state)
    return replace(
        settings,
        ch=ch,
        ch_mult=tuple(width // ch for width in per_level),
        num_res_blocks=count(state, r"encoder\.down\.0\.block\.(\d+)\."),
        attn_resolutions=attending,
        decoder_attn_resolutions=None if decoding == attending else decoding,
        z_channels=z_channels,
        embed_dim=embed_dim,
        mid_attention="encoder.mid.attn_1.q.weight" in state,
        patch=1,
        norm_groups=32,
    )


FAMILIES = {"vq": "a vector-quantised tokenizer", "rq": "an RQ-VAE", "kl": "a KL-regularised autoencoder"}
METHODS = {
    "vq": "vqgan@PATH, vq-ldm@PATH or ibq@PATH",
    "rq": "rqvae@PATH",
    "kl": "kl-ldm@PATH or va-vae@PATH",
}


def family(state: State) -> str:
    """One of "vq", "rq" and "kl", by the bottleneck's key names."""
    if any(key.startswith("quantizer.codebooks.") for key in state):
        return "rq"
    return "vq" if "quantize.embedding.weight" in state else "kl"


def expect(wanted: str, state: State, origin: str) -> None:
    """Raises :class:`UsageError` for a checkpoint of another family, naming the method that reads it."""
    found = family(state)
    if found != wanted:
        raise UsageError(f"{origin} holds {FAMILIES[found]}, not {FAMILIES[wanted]}; write {METHODS[found]}.")


def variant(settings: NetworkSettings, table: Mapping[str, NetworkSettings]) -> str | None:
    """The name of the variant with the same network at the published side, None where there is none."""
    return next((name for name, known in table.items() if _network(known) == _network(settings)), None)


def _network(settings: NetworkSettings) -> tuple[object, ...]:
    """What decides the weights' shapes. Attention at a side that no level has decides nothing."""
    sides = [PUBLISHED // 2**level for level in range(len(settings.ch_mult))]
    attending = [side for side in sides if side in settings.attn_resolutions]
    decoding = settings.decoder_attn_resolutions
    sizes = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name in ("n_embed", "depth")}
    names = ("ch", "ch_mult", "num_res_blocks", "z_channels", "embed_dim", "mid_attention")
    return (attending, decoding, sizes, *(getattr(settings, name) for name in names))


def check_size(found: int | None, size: tuple[int, int], origin: str) -> None:
    """Raises :class:`UsageError` where the checkpoint is for another image size than the preset, or that not square."""
    wanted = square(size, origin)
    if found is not None and found != wanted:
        raise UsageError(
            f"{origin} is for images of {found} pixels, not {wanted}; choose the preset of {found} pixels."
        )


def load(module: nn.Module, state: State, origin: str) -> None:
    """Loads all of ``state`` into all of ``module``; raises :class:`IntegrityError` that names what differs."""
    load_strictly(module, state, origin, remedy="name the checkpoint of a tokenizer with these layers")
