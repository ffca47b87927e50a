"""The checkpoint of a training run: written whole or not at all, read with ``weights_only``."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contract import IntegrityError, UsageError
from bench.files import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from bench.contract import Learner
    from bench.tasks.averaging import MovingAverage

CHECKPOINT = "checkpoint.pt"
FINAL = "final.safetensors"


@dataclass
class Progressed:
    """How far a run has come: what the checkpoint holds besides weights.

    ``curve`` has one entry per logged point: images seen and the mean of each loss since the last point;
    ``previews`` one per held-out preview; ``flops`` are those of one turn of each phase; ``seconds`` is training time
    over all sessions of the run.
    """

    step: int = 0
    seconds: float = 0.0
    micro_batch: int = 0
    flops: dict[str, float] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)
    previews: list[dict[str, float]] = field(default_factory=list)


def save(folder: Path, learner: Learner, average: MovingAverage | None, progressed: Progressed) -> None:
    """Writes ``checkpoint.pt``: networks, optimisers, moving average and progress."""
    import torch

    state = {
        "module": learner.module.state_dict(),
        "optimizers": {phase.name: phase.optimizer.state_dict() for phase in learner.phases},
        "average": average.state_dict() if average else None,
        "progressed": vars(progressed),
    }
    write_file(folder / CHECKPOINT, lambda path: torch.save(state, path))


def restore(folder: Path, learner: Learner, average: MovingAverage | None) -> Progressed | None:
    """Loads ``checkpoint.pt`` into the learner, or returns None where there is none.

    Raises :class:`IntegrityError` when the file is damaged or belongs to another learner.
    """
    import torch

    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        learner.module.load_state_dict(state["module"])
        for phase in learner.phases:
            phase.optimizer.load_state_dict(state["optimizers"][phase.name])
        if average:
            average.load_state_dict(state["average"])
        return Progressed(**state["progressed"])
    except (RuntimeError, KeyError, EOFError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise IntegrityError(
            f"{path} is damaged or of another recipe ({error}); delete the folder {folder}."
        ) from error


def save_final(folder: Path, learner: Learner) -> None:
    """Writes the finished weights (the average in place of the last step's)."""
    from safetensors.torch import save_file

    tensors = {name: t.detach().cpu().clone().contiguous() for name, t in learner.module.state_dict().items()}
    write_file(folder / FINAL, lambda path: save_file(tensors, path))


def load_final(path: Path, learner: Learner) -> None:
    """Puts finished weights into a freshly built learner, strictly.

    Raises :class:`IntegrityError` for a damaged file, and :class:`UsageError` for the weights of another size or
    configuration, naming the first that does not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise IntegrityError(f"{path} is damaged ({error}); train it again with --overwrite.") from error
    misfit = _misfit(state, learner.module.state_dict())
    if misfit:
        raise UsageError(
            f"{path} holds weights of another image size or configuration ({misfit}); "
            "take the preset, resolution and options that they were trained with."
        )
    learner.module.load_state_dict(state)


def _misfit(held: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """The first tensor that is missing, unexpected or of another shape."""
    for name in sorted(held.keys() | wanted.keys()):
        if name not in held or name not in wanted:
            return f"'{name}' is {'missing' if name not in held else 'not expected'}"
        if held[name].shape != wanted[name].shape:
            return f"'{name}' has the shape {tuple(held[name].shape)} instead of {tuple(wanted[name].shape)}"
    return None
