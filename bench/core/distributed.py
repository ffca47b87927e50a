"""The processes of a training run, as a learner sees them (:class:`bench.contract.Comm`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightning_fabric import Fabric
    from torch import Tensor, nn


@dataclass(frozen=True)
class Alone:
    """A run of one process."""

    rank: int = 0
    size: int = 1

    def all_reduce_mean(self, tensor: Tensor) -> Tensor:
        """The tensor itself."""
        return tensor

    def all_gather(self, tensor: Tensor) -> Tensor:
        """The tensor itself."""
        return tensor


@dataclass(frozen=True)
class Processes:
    """A run of several processes, launched and joined by Lightning Fabric."""

    fabric: Fabric

    @property
    def rank(self) -> int:
        """This process's number."""
        return self.fabric.global_rank

    @property
    def size(self) -> int:
        """How many processes there are."""
        return self.fabric.world_size

    def all_reduce_mean(self, tensor: Tensor) -> Tensor:
        """The mean over the processes, the same tensor everywhere."""
        import torch.distributed

        result = tensor.detach().clone()
        torch.distributed.all_reduce(result)
        return result / self.size

    def all_gather(self, tensor: Tensor) -> Tensor:
        """The processes' tensors, concatenated along axis 0 in rank order."""
        import torch.distributed

        pieces = [torch.empty_like(tensor) for _ in range(self.size)]
        torch.distributed.all_gather(pieces, tensor.contiguous())
        return torch.cat(pieces)


def comm(fabric: Fabric) -> Alone | Processes:
    """The view of the run that a learner is built with."""
    return Processes(fabric) if fabric.world_size > 1 else Alone()


def average_gradients(parameters: Iterable[nn.Parameter], processes: Alone | Processes) -> None:
    """Replaces each gradient by its mean over the processes, in one reduction."""
    if processes.size == 1:
        return
    from torch import cat

    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = processes.all_reduce_mean(cat([g.reshape(-1) for g in gradients]))
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
