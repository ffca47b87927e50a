"""Official networks without their code or weights: layouts of state dicts, and what they give for weights by formula.

``layouts.json.gz`` has the names and shapes of the published state dicts, ``fingerprints.json`` the codes and pixels
that the official modules gave (CPU, float64) for the weights and the image of its recipe. A test fills a layout with
:func:`weights`, loads it as a checkpoint, and compares with :func:`check_codes` and :func:`check_pixels`.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

HERE = Path(__file__).parent
POSITIONS = ((0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 7, 13), (1, 31, 5), (2, 20, 40), (0, -1, -1), (1, -1, 0))
"""Channel, row and column of the pixels that a fingerprint gives."""
CLOSE = 1e-4

Shapes = Mapping[str, tuple[int, ...]]
State = dict[str, Tensor]


@cache
def facts() -> dict[str, Any]:
    """All of ``fingerprints.json``."""
    return json.loads((HERE / "fingerprints.json").read_text(encoding="utf-8"))


def family(name: str) -> dict[str, Any]:
    """What the official module of a family gave."""
    return facts()["families"][name]


@cache
def _layouts() -> dict[str, Any]:
    return json.loads(gzip.decompress((HERE / "layouts.json.gz").read_bytes()))


def learnable(layout: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters of a published state dict, all float32."""
    return {name: tuple(shape) for name, shape in _layouts()[layout]["learnable"].items()}


def buffers(layout: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Names, dtypes and shapes of what else is in it."""
    return {name: (dtype, tuple(shape)) for name, (dtype, shape) in _layouts()[layout]["buffers"].items()}


def parameters(layout: str) -> int:
    """How many values the parameters of a published state dict have."""
    return _layouts()[layout]["parameters"]


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """A state dict as :func:`learnable` gives a layout: a strict test of a layout is that the two are equal."""
    return {name: tuple(value.shape) for name, value in state.items()}


def uniform(count: int, rank: int) -> np.ndarray:
    """The recipe's u(i, r) for i below ``count``: float64 in [-1, 1)."""
    with np.errstate(over="ignore"):  # arithmetic modulo 2^32 is what is meant
        h = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32((rank * 974711 + 12345) % 2**32)
        h ^= h >> np.uint32(15)
        h *= np.uint32(2246822519)
        h ^= h >> np.uint32(13)
    return h / 2.0**31 - 1


def weights(shapes: Shapes) -> State:
    """The recipe's weights, float32: their values follow from the place of a name among all sorted names."""
    return {name: _tensor(name, rank, shapes[name]) for rank, name in enumerate(sorted(shapes))}


def _tensor(name: str, rank: int, shape: tuple[int, ...]) -> Tensor:
    count = math.prod(shape)
    u = uniform(count, rank)
    if len(shape) >= 2:
        u *= math.sqrt(3 * shape[0] / count)
    else:
        u = 1 + 0.1 * u if name.endswith(("weight", "gamma")) else 0.1 * u
    return torch.from_numpy(u.astype(np.float32)).reshape(shape)


def image(side: int) -> Tensor:
    """The recipe's image, uint8 ``[1, 3, side, side]``."""
    y, x = np.mgrid[:side, :side]
    planes = [(40 * (c + 1) + 3 * x + 5 * y + x * y // (16 * (c + 1))) % 256 for c in range(3)]
    return torch.from_numpy(np.stack(planes).astype(np.uint8))[None]


def check_codes(name: str, codes: Tensor) -> None:
    """Codes int64, one number a cell in C order, of the recipe's image; any shape."""
    known, found = family(name), codes.reshape(-1).tolist()
    assert codes.dtype == torch.int64
    assert found[:16] == known["indices, first 16 in C order"]
    assert len(found) == known["indices count"]
    assert sum(found) == known["indices sum"]
    assert len(set(found)) == known["indices distinct"]


def check_latents(name: str, latents: Tensor) -> None:
    """Latents before quantisation, or the mean, in the shape of the official module."""
    known = family(name)
    assert list(latents.shape) == known["latent shape"]
    assert np.allclose(latents.reshape(-1)[:6].tolist(), known["latent, first 6 in C order"], rtol=0, atol=CLOSE)


def check_pixels(name: str, decoded: Tensor) -> float:
    """What the decoder gives, ``[1, 3, S, S]``, without clamp or change of range; the largest difference found."""
    known = family(name)
    found = [float(decoded[0, c, y, x]) for c, y, x in POSITIONS]
    error = float(np.abs(np.subtract(found, known["decoded values at the 8 positions"])).max())
    assert error < CLOSE
    assert abs(float(decoded.double().mean()) - known["decoded mean"]) < CLOSE
    if "decoded std" in known:
        assert abs(float(decoded.double().std()) - known["decoded std"]) < CLOSE
    return error
