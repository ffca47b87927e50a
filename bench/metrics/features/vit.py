"""What networks of natural images share: pixels in [0, 1], minus a mean, over a deviation, through one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

THREADS = 2


def each(images: Tensor, prepare: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    """``prepare`` on every image of a uint8 batch ``[N, 3, H, W]``, in threads, on the CPU."""
    with ThreadPoolExecutor(THREADS) as pool:
        return torch.from_numpy(np.stack(list(pool.map(prepare, images.cpu().numpy()))))


class Standardised:
    """uint8 ``[N, 3, H, W]`` to one named output, float32 ``[N, D]``.

    ``prepare`` gives the network's size, still 0 to 255, on any device; ``mean`` and ``deviation`` are per channel of
    pixels in [0, 1].
    """

    def __init__(
        self,
        network: nn.Module,
        output: str,
        prepare: Callable[[Tensor], Tensor],
        mean: Sequence[float],
        deviation: Sequence[float],
        device: torch.device,
    ) -> None:
        self._network = network.to(device).eval().requires_grad_(False)
        self._output, self._prepare, self._device = output, prepare, device
        self._mean = torch.tensor(mean, device=device).view(3, 1, 1)
        self._deviation = torch.tensor(deviation, device=device).view(3, 1, 1)

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """One pass."""
        with torch.inference_mode():
            pixels = self._prepare(images.to(self._device)).to(self._device).float() / 255
            return {self._output: self._network((pixels - self._mean) / self._deviation)}
