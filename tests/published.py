"""Files as publishers have them, of the methods that load weights and are not trained here: full size and narrow.

The narrow ones have every layer of the published network at a quarter of its width, filled by formula, so that a test
of any method takes moments.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.contract import Build, Tokenizer
from bench.core.distributed import Alone
from bench.core.registry import load, method_of
from methods import METHODS
from tests.reference.modern.fingerprints import Shapes, State, learnable, weights

LAYOUTS: Mapping[str, str] = {
    "va-vae": "vavae_f16d32",
    "llamagen": "llamagen_vq16",
    "ibq": "ibq_1024",
    "open-magvit2": "open_magvit2_f16_2e18",
    "simvq": "simvq_1024",
    "var": "var_vae_ch160v4096z32",
    "maskgit-vq": "maskgit_vqgan",
    "titok": "titok_s128",
    "bsq-vit": "bsqvit_b18g18",
}
"""One published layout of every method that loads weights alone."""
NARROWER = {"var": 5}
"""By how much, where not by 4: GroupNorm has 32 groups."""
WIDE = 128
OF_32_PIXELS: Mapping[str, Shapes] = {
    "titok": {f"{side}.positional_embedding": (1 + 4, 128) for side in ("encoder", "decoder")},
    "bsq-vit": {
        **{f"{side}.positional_embedding": (4 * 4, 192) for side in ("encoder", "decoder")},
        "encoder.conv1.weight": (192, 192),
        "decoder.conv_out.weight": (192, 768),
        "decoder.conv_out.bias": (192,),
    },
}
"""What has the length of an image in patches, of the narrow weights: they are for images of 32 pixels.

In BSQ-ViT also what has the length of a patch in values.
"""


def narrowed(shapes: Shapes, narrower: int = 4) -> dict[str, tuple[int, ...]]:
    """The same layers: axes of a layer's width a quarter as long, those of codes and kernels as they are."""
    return {name: tuple(n // narrower if n >= WIDE else n for n in shape) for name, shape in shapes.items()}


def with_averages(raw: State, averaged: State) -> dict[str, Tensor]:
    """The weights of the last step, and averages under their names without dots, as latent-diffusion keeps them."""
    averages = {f"model_ema.{name.replace('.', '')}": value for name, value in averaged.items()}
    return raw | averages | {"model_ema.decay": torch.tensor(0.999), "model_ema.num_updates": torch.tensor(3)}


@cache
def narrow_state(method: str, seed: int = 0) -> State:
    """The narrow weights under the official names; another ``seed`` gives others."""
    shapes = narrowed(learnable(LAYOUTS[method]), NARROWER.get(method, 4)) | OF_32_PIXELS.get(method, {})
    state = weights(shapes)
    return {name: value.roll(seed) for name, value in state.items()}


def content(method: str, saved: Any) -> Any:
    """What the method's reader finds in a file with ``saved`` in it."""
    reader = method_of(load(METHODS[method])).checkpoint
    with tempfile.TemporaryDirectory() as folder:
        torch.save(saved, Path(folder) / "weights.ckpt")
        return reader.read(Path(folder) / "weights.ckpt")


def loaded(method: str, saved: Any, size: tuple[int, int], **options: Any) -> Tokenizer:
    """The method's tokenizer of a file with ``saved`` in it, at its default settings but for ``options``."""
    entry = load(METHODS[method])
    settings = dataclasses.replace(entry.settings("paper", None), **options)
    reader, found = method_of(entry).checkpoint, content(method, saved)
    own, _ = reader.identify(settings, size, found)
    return reader.load(own, Build(size, 0, torch.device("cpu"), Alone()), found)


def narrow(method: str, size: tuple[int, int], seed: int = 0) -> Tokenizer:
    """The method's tokenizer of narrow weights, which are the file's averages where it asks for those."""
    state = narrow_state(method, seed)
    return loaded(method, {"state_dict": with_averages(state, state)}, size)
