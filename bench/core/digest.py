"""Identity by content: the digests that key every cache and appear in every result. No torch at import."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

CHUNK = 1 << 20


def of_bytes(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def of_file(path: Path, algorithm: str = "sha256") -> str:
    """Digest of a file's content, read in pieces of 1 MiB."""
    state = hashlib.new(algorithm)
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            state.update(piece)
    return state.hexdigest()


def plain(value: Any) -> Any:
    """Dataclasses, mappings, sequences and paths as what JSON can say; anything else is a TypeError in json."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"": type(value).__qualname__, **{k: plain(v) for k, v in vars(value).items()}}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def of_value(value: Any) -> str:
    """SHA-256 of a value in canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return of_bytes(text.encode())


def of_weights(state: Mapping[str, Tensor], definition: Any) -> str:
    """Digest of a state dict (names, dtypes, shapes, bytes) together with the definition that gives it meaning.

    ``definition`` is the method's settings dataclass or anything :func:`of_value` takes.
    """
    import torch

    total = hashlib.sha256(of_value(definition).encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
