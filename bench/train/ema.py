"""The moving average of weights that is evaluated in place of the last step's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from bench.contract import Averaged


class MovingAverage:
    """Exponential moving average of a module's parameters; buffers are taken as they are at the end.

    After ``b`` images the old average keeps the share 0.5^(b / h), h = min(half-life, ramp-up x images seen)
    (Karras et al. 2020, appendix B).
    """

    def __init__(self, averaged: Averaged) -> None:
        self._averaged = averaged
        self._shadow = {name: p.detach().clone() for name, p in averaged.module.named_parameters()}

    def update(self, images_seen: int, batch: int) -> None:
        """Takes in the present weights after a step of ``batch`` images."""
        import torch

        half_life = min(self._averaged.half_life, self._averaged.ramp_up * images_seen)
        keep = 0.5 ** (batch / max(half_life, 1e-8))
        with torch.no_grad():
            shadow = list(self._shadow.values())
            live = [p.detach() for _, p in self._averaged.module.named_parameters()]
            torch._foreach_lerp_(shadow, live, 1.0 - keep)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by parameter name."""
        return self._shadow

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Takes the averages of a checkpoint."""
        for name, tensor in self._shadow.items():
            tensor.copy_(state[name])

    def copy_to_module(self) -> None:
        """Puts the averages into the module."""
        import torch

        with torch.no_grad():
            for name, parameter in self._averaged.module.named_parameters():
                parameter.copy_(self._shadow[name])

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The module holds the averages inside the block and its own weights again after it."""
        import torch

        own = {name: p.detach().clone() for name, p in self._averaged.module.named_parameters()}
        self.copy_to_module()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in self._averaged.module.named_parameters():
                    parameter.copy_(own[name])
