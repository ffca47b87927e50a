"""Pinned weights of pretrained networks: found, identified, loaded strictly.

Nothing is downloaded implicitly: :func:`find` looks in ``BENCH_WEIGHTS`` and in the cache and otherwise names the
command that brings the file. torch is imported late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core.digest import of_file
from bench.core.fetch import File, folders, verify
from bench.core.registry import lookup
from bench.errors import IntegrityError, Missing
from bench.pretrained.table import WEIGHTS, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn


def _candidates(weights: Weights) -> Iterator[tuple[File, Path]]:
    for file in weights.files:
        for folder in folders():
            if (folder / file.name).is_file():
                yield file, folder / file.name


def available(name: str) -> bool:
    """Whether a file of these weights is on this machine; its digest is checked when it is used."""
    return any(True for _ in _candidates(lookup(WEIGHTS, name, "network")))


def find(name: str) -> Path:
    """The verified file of these weights.

    Raises :class:`Missing` with the command that brings it, and :class:`IntegrityError` when the digest is wrong.
    """
    weights = lookup(WEIGHTS, name, "network")
    for file, path in _candidates(weights):
        verify(path, file)
        return path
    raise Missing(reason(name))


def reason(name: str) -> str:
    """Why a number that needs these weights is absent, and what brings them."""
    names = " or ".join(file.name for file in WEIGHTS[name].files)
    return f"{WEIGHTS[name].title}: {names} is not here; run: python -m bench fetch {name}"


def identity(name: str) -> str:
    """What signatures say of these weights: ``file#first 12 digits of its SHA-256``, and whether it was pinned."""
    path = find(name)
    file = next(f for f in WEIGHTS[name].files if f.name == path.name)
    return f"{path.name}#{of_file(path)[:12]}" + ("" if file.pin != "none" else " (unpinned)")


def load_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a ``.safetensors`` file or a pickle, which is read with ``weights_only=True``; float32.

    Raises :class:`IntegrityError` for a file that cannot be read and for one that holds something else.
    """
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        safe = path.suffix == ".safetensors"
        state = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        said = " ".join(str(error).split()).partition(". ")[0][:120] or type(error).__name__
        raise IntegrityError(
            f"{path} is damaged or holds no weights ({said}); delete it and fetch it again."
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise IntegrityError(f"{path} holds no state dict of tensors; it is not the file that the table names.")
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


AGAIN = "fetch the file named in the table again"


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], origin: str, remedy: str = AGAIN) -> None:
    """Loads all of ``state`` into all of ``module``; raises :class:`IntegrityError` naming what differs."""
    own = module.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    wrong = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    if missing or extra or wrong:
        parts = (("missing", missing), ("unexpected", extra), ("of another shape", wrong))
        said = "; ".join(f"{len(keys)} {what} ({', '.join(keys[:3])})" for what, keys in parts if keys)
        raise IntegrityError(f"{origin} does not fit the network: {said}; {remedy}.")
    module.load_state_dict(dict(state))


def unfilled() -> AbstractContextManager[object]:
    """Inside, modules are built without drawing initial weights: VGG16's take a second and are overwritten at once."""
    import torch
    from torch.overrides import TorchFunctionMode

    in_place = (torch.Tensor.normal_, torch.Tensor.uniform_)

    class Unfilled(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            draws = getattr(func, "__module__", "") == "torch.nn.init" or func in in_place
            return None if draws else func(*args, **(kwargs or {}))

    return Unfilled()
