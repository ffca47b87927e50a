"""The checkpoint of a training run: written whole or not at all, read with ``weights_only``."""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core import digest
from bench.core.files import write_file
from bench.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

    from bench.contract import Learner
    from bench.train.ema import MovingAverage

CHECKPOINT = "checkpoint.pt"
FINAL = "final.safetensors"
DAMAGE = (RuntimeError, OSError, EOFError, KeyError, IndexError, AttributeError, TypeError, ValueError, OverflowError)
"""What torch raises for a file that is not what it wrote."""
DIGEST = "sha256"
"""The name, in the header of finished weights, of the digest of their names, types, shapes and bytes."""


@dataclass
class Progressed:
    """How far a run has come: what the checkpoint holds besides weights.

    ``curve`` has one entry per logged point: images seen and the mean of each loss since the last point;
    ``previews`` one per held-out preview; ``flops`` are those of one step of each phase; ``seconds`` is training time
    over all sessions of the run.
    """

    step: int = 0
    seconds: float = 0.0
    micro_batch: int = 0
    flops: dict[str, float] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)
    previews: list[dict[str, float]] = field(default_factory=list)


def save(folder: Path, learner: Learner[object], average: MovingAverage | None, progressed: Progressed) -> None:
    """Writes ``checkpoint.pt``: networks, optimisers, moving average and progress."""
    state = {
        "module": learner.module.state_dict(),
        "optimizers": {phase.name: phase.optimizer.state_dict() for phase in learner.phases},
        "average": average.state_dict() if average else None,
        "progressed": vars(progressed),
    }
    write_file(folder / CHECKPOINT, lambda path: _save(state, path))


def _save(state: Mapping[str, Any], path: Path) -> None:
    """``torch.save``, which hides the system's own error (a full disk) behind a RuntimeError of its writer."""
    import torch

    try:
        with path.open("wb") as file:
            torch.save(state, file)
    except RuntimeError as error:
        reason = _system_error(error)
        raise (error if reason is None else reason) from None


def _system_error(error: BaseException) -> OSError | None:
    """The error of the operating system in whose handling ``error`` was raised."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__context__
    return found


def restore(folder: Path, learner: Learner[object], average: MovingAverage | None) -> Progressed | None:
    """Loads ``checkpoint.pt`` into the learner, or returns None where there is none.

    Raises :class:`IntegrityError` when the file is damaged or belongs to another learner.
    """
    import torch

    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        _check_sums(path)
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        learner.module.load_state_dict(state["module"])
        for phase in learner.phases:
            phase.optimizer.load_state_dict(state["optimizers"][phase.name])
        if average:
            average.load_state_dict(state["average"])
        return Progressed(**state["progressed"])
    except (*DAMAGE, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise IntegrityError(
            f"{path} is damaged or of another recipe ({error}); delete the folder {folder}."
        ) from error


def _check_sums(path: Path) -> None:
    """Raises ValueError for a member without the checksum that torch wrote, which torch itself does not look at."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"its part {damaged} does not have its checksum")


def save_final(folder: Path, learner: Learner[object]) -> None:
    """Writes the finished weights (the average in place of the last step's), of training's own networks too."""
    tensors = {name: t.detach().cpu().clone().contiguous() for name, t in learner.module.state_dict().items()}
    write_file(folder / FINAL, lambda path: _save_tensors(tensors, path))


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """``save_file``, with the system's own error (a full disk) where there was one."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(tensors, path, {DIGEST: digest.of_weights(tensors, None)})
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        raise (OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))) from error


def read_final(path: Path) -> dict[str, Tensor]:
    """Finished weights on the CPU, mapped from the file and compared with the digest that it carries.

    Raises :class:`IntegrityError` for a file in which anything has changed.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(path, "pt") as file:
            carried = (file.metadata() or {}).get(DIGEST)
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise IntegrityError(f"{path} is damaged ({error}); train it again with --overwrite.") from error
    if carried != digest.of_weights(tensors, None):
        said = "carries no digest of its weights" if carried is None else "does not have the digest that it carries"
        raise IntegrityError(f"{path} is damaged ({said}); train it again with --overwrite.")
    return tensors


def load_final(path: Path, learner: Learner[object], read: Callable[[Path], Mapping[str, Tensor]] = read_final) -> None:
    """Puts finished weights into a freshly built learner, strictly; ``read`` gives them from ``path``.

    A learner that was built without training takes its own part; see :func:`product_part`. Raises
    :class:`IntegrityError` for a damaged file, and :class:`UsageError` for the weights of another size or
    configuration, naming the first that does not fit.
    """
    state = product_part(read(path), learner.module)
    misfit = _misfit(state, learner.module.state_dict())
    if misfit:
        raise UsageError(
            f"{path} holds weights of another image size or configuration ({misfit}); "
            "take the preset, resolution and options that they were trained with."
        )
    learner.module.load_state_dict(state)


def product_part(state: Mapping[str, Tensor], module: nn.Module) -> Mapping[str, Tensor]:
    """Finished weights without the parts of an ``nn.ModuleDict`` that ``module`` lacks (a discriminator).

    Within the parts that it has, and in a module that is no ``nn.ModuleDict``, nothing is passed over.
    """
    from torch import nn

    if not isinstance(module, nn.ModuleDict):
        return state
    return {key: tensor for key, tensor in state.items() if key.partition(".")[0] in module}


def _misfit(held: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """The first tensor that is missing, unexpected or of another shape."""
    for name in sorted(held.keys() | wanted.keys()):
        if name not in held or name not in wanted:
            return f"'{name}' is {'missing' if name not in held else 'not expected'}"
        if held[name].shape != wanted[name].shape:
            return f"'{name}' has the shape {tuple(held[name].shape)} instead of {tuple(wanted[name].shape)}"
    return None
