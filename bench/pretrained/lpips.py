"""LPIPS with pinned weights, for losses and metrics. torch is imported late."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.pretrained.weights import find, load_state, load_strictly, unfilled

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Backbone = Literal["alex", "vgg", "squeeze"]

LPIPS_WEIGHTS: Mapping[str, str] = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def lpips_network(backbone: Backbone, device: torch.device | str = "cpu", weights: Path | None = None) -> nn.Module:
    """LPIPS (Zhang et al. 2018, version 0.1) of the ``lpips`` package, frozen, in evaluation mode.

    ``network(x, y)`` takes float32 ``[N, 3, H, W]`` in [-1, 1] and gives float32 ``[N, 1, 1, 1]``; gradients flow to
    the images. The linear heads come from the package's wheel, the backbone from ``weights``, by default the pinned
    file of the table; the package's own download is never used. Raises :class:`Missing` where the file is absent.
    """
    path = weights if weights is not None else find(LPIPS_WEIGHTS[backbone])
    network = _untrained_lpips(backbone)
    trunk = network.get_submodule("net")
    load_strictly(trunk, _sliced(trunk, load_state(path)), str(path))
    return network.requires_grad_(False).eval().to(device)


def _untrained_lpips(backbone: Backbone) -> nn.Module:
    """The package's module with trained heads and a backbone without values, which all have to be loaded."""
    import lpips

    with warnings.catch_warnings(), unfilled():
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        network: nn.Module = lpips.LPIPS(net=backbone, version="0.1", pnet_rand=True, verbose=False)
        return network


def _sliced(net: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Torchvision's ``features.K.*`` under the package's names ``sliceJ.K.*``; the classifier is not part of it."""
    slices = {key.split(".")[1]: key.split(".")[0] for key in net.state_dict()}
    features = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
    return {f"{slices.get(key.split('.')[0], 'features')}.{key}": value for key, value in features.items()}


class Networks:
    """The networks that the pair metrics of one measurement share; each is built when it is first asked for."""

    def __init__(self, device: torch.device, weights: Callable[[str], Path] = find) -> None:
        self.device = device
        self._weights = weights
        self._lpips: dict[str, nn.Module] = {}

    def lpips(self, backbone: Backbone) -> nn.Module:
        """LPIPS in channels-last layout, which the CPU's convolutions prefer."""
        if backbone not in self._lpips:
            import torch

            network = lpips_network(backbone, self.device, self._weights(LPIPS_WEIGHTS[backbone]))
            self._lpips[backbone] = network.to(memory_format=torch.channels_last)
        return self._lpips[backbone]
