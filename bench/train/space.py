"""How much disk a training needs, from the shapes of what it holds: known before its first step, without memory too."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from bench.contract import Learner

MOMENTS = 2
"""Values that an optimiser keeps for each parameter: the two moments of Adam, more than simpler ones need."""
PER_TENSOR = 512
"""Bytes of a checkpoint's directory and padding for each tensor, at most."""
PROGRESS = 1 << 16
"""Bytes of the curve of losses and whatever else describes the progress."""


@dataclass(frozen=True)
class Space:
    """Bytes of ``checkpoint.pt`` and of ``final.safetensors``."""

    checkpoint: int
    final: int

    @property
    def most(self) -> int:
        """Bytes at one time: a checkpoint, and beside it the temporary file that replaces it or the final weights."""
        return self.checkpoint + max(self.checkpoint, self.final)


def needed(learner: Learner[object]) -> Space:
    """What the files of a learner's training take: networks, optimisers and moving average."""
    module = list(learner.module.state_dict().values())
    optimizers = {id(phase.optimizer): phase.optimizer for phase in learner.phases}.values()
    trained = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    averaged = list(learner.averaged.module.parameters()) if learner.averaged else []
    return Space(_bytes([*module, *trained * MOMENTS, *averaged]) + PROGRESS, _bytes(module))


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(t.numel() * t.element_size() + PER_TENSOR for t in tensors)


def free(folder: Path) -> int:
    """Bytes that are free where ``folder`` is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check(label: str, bytes_needed: int, folder: Path, bytes_free: int) -> None:
    """Raises :class:`UsageError` where checkpoints do not fit on the disk of ``folder``."""
    if bytes_needed > bytes_free:
        raise UsageError(
            f"'{label}': its checkpoints need {_size(bytes_needed)} in {folder}, where {_size(bytes_free)} are free; "
            "free space there (python -m bench cache clean), or set BENCH_CACHE to a folder on another disk."
        )


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
