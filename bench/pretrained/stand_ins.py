"""Seeded random weights with a pretrained network's names and shapes, for machines where its file is not.

They exercise losses, extractors and metrics at full size; what they give is no measurement, and says so wherever it is
written (:mod:`bench.pretrained.networks`). They are kept apart from pinned files and pass for none. torch is imported
late.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.core import seeding
from bench.core.files import locked, require_space, write_file
from bench.core.registry import lookup
from bench.pretrained.table import WEIGHTS

if TYPE_CHECKING:
    from torch import Tensor

State = Mapping[str, "Tensor"]
PIECE = 1 << 22
"""Random numbers that are drawn at once: float64, so 32 MiB."""


def stand_in(name: str, folder: Path) -> Path:
    """The file ``<name>-stand-in.safetensors`` in ``folder``, written there unless it is; other processes wait.

    Its tensors are float32 (counters int64), a function of ``name`` alone. Raises :class:`bench.errors.UsageError`
    for a network that is not in the table of pins, :class:`bench.errors.BenchError` where the disk is full.
    """
    lookup(WEIGHTS, name, "network")
    path = folder / f"{name}-stand-in.safetensors"
    with locked(path):
        if not path.is_file():
            _write(name, path)
    return path


def misfit(name: str, state: State) -> str | None:
    """What of the network is missing in ``state`` or of another shape, or None.

    Counters of batch norms may be missing, as old files have none; what a file has beyond the network is not looked at.
    """
    shapes = {key: value for key, value in SHAPES[name]().items() if not key.endswith("num_batches_tracked")}
    missing = [key for key in shapes if key not in state]
    wrong = [key for key in shapes if key in state and state[key].shape != shapes[key].shape]
    parts = (("missing", missing), ("of another shape", wrong))
    return "; ".join(f"{len(keys)} {what} ({', '.join(keys[:3])})" for what, keys in parts if keys) or None


def _write(name: str, path: Path) -> None:
    from safetensors.torch import save_file

    shapes = SHAPES[name]()
    require_space(path.parent, sum(tensor.numel() * tensor.element_size() for tensor in shapes.values()))
    state = {key: _drawn(name, key, tensor) for key, tensor in shapes.items()}
    write_file(path, lambda temporary: save_file(state, temporary, {"stand-in": name}))


def _drawn(name: str, key: str, shape: Tensor) -> Tensor:
    """A tensor of a meta tensor's shape and type.

    Matrices, filters and embeddings are uniform with variance 2 / fan-in (He et al. 2015, equation 10), so that values
    keep their size through any depth; scales and running variances are 1, offsets, running means and counters 0.
    """
    import torch

    if shape.ndim < 2:
        one = shape.is_floating_point() and not key.endswith(("bias", "running_mean", "embedding"))
        return torch.full(shape.shape, float(one), dtype=shape.dtype)
    bound = math.sqrt(6 / math.prod(shape.shape[1:]))
    random = np.random.RandomState(seeding.derive("stand-in", name, key) % 2**32)
    values = np.empty(shape.numel(), np.float32)
    for start in range(0, len(values), PIECE):  # random_sample gives equal bits on every machine
        piece = values[start : start + PIECE]
        piece[:] = (2 * random.random_sample(len(piece)) - 1) * bound
    return torch.from_numpy(values).reshape(shape.shape)


# --------------------------------------------------------------------------------------------------------------
# Names and shapes, from the modules of the libraries that the published files belong to, on the meta device


def _torchvision(model: str, **settings: Any) -> State:
    """A network of torchvision with its classifier, as its published files have it."""
    import torch
    import torchvision

    with torch.device("meta"):
        state: State = torchvision.models.get_model(model, weights=None, **settings).state_dict()
    return state


def _inception() -> State:
    """FID's Inception has torchvision's names and shapes with 1008 classes and without the auxiliary head."""
    return _torchvision("inception_v3", num_classes=1008, aux_logits=False, init_weights=False)


def _clip() -> State:
    """The vision tower; nothing reads the text tower of the published file."""
    import torch
    from open_clip import get_model_config
    from open_clip.model import CLIP

    settings: dict[str, Any] = get_model_config("ViT-B-32-quickgelu") or {}
    with torch.device("meta"):
        network = CLIP(**settings)
    return {key: value for key, value in network.state_dict().items() if key.startswith("visual.")}


def _dinov2(model: str) -> State:
    """Timm's names are Meta's, positions at the size of training; nothing reads the mask token of the file."""
    import timm
    import torch

    with torch.device("meta"):
        network = timm.create_model(model, pretrained=False, num_classes=0)
    return network.state_dict()


SHAPES: Mapping[str, Callable[[], State]] = {
    "inception-2015-12-05": _inception,
    "vgg16": lambda: _torchvision("vgg16"),
    "alexnet": lambda: _torchvision("alexnet"),
    "squeezenet1_1": lambda: _torchvision("squeezenet1_1"),
    "clip-vit-b-32": _clip,
    "dinov2-vits14": lambda: _dinov2("vit_small_patch14_dinov2"),
    "dinov2-vitl14": lambda: _dinov2("vit_large_patch14_dinov2"),
}
"""By the name of the table of pins: the state dict on the meta device."""
