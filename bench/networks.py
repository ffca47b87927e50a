"""Pretrained networks: finding and verifying their weights, loading them strictly, and LPIPS.

Losses and metrics take pretrained networks from here alone. Nothing is downloaded implicitly: :func:`find` looks in
``BENCH_WEIGHTS`` and in the cache and otherwise names the command that brings the file. torch is imported late.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.contract import IntegrityError, Missing
from bench.digest import of_file
from bench.entries import FeatureEntry, MetricEntry, MetricProtocol
from bench.pins import WEIGHTS, File, Weights
from bench.registry import lookup
from bench.store import cache_root

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

WEIGHTS_VARIABLE = "BENCH_WEIGHTS"

Backbone = Literal["alex", "vgg", "squeeze"]

LPIPS_WEIGHTS: Mapping[str, str] = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


DISTRIBUTIONS = {"open_clip": "open_clip_torch"}
"""Packages that are installed under another name than they are imported."""


def folders() -> list[Path]:
    """Where weights are looked for, in order: the folders of ``BENCH_WEIGHTS``, then the cache's."""
    named = [Path(folder).expanduser() for folder in os.environ.get(WEIGHTS_VARIABLE, "").split(os.pathsep) if folder]
    return [*named, cache_root() / "weights"]


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


def needed(metric: MetricEntry, features: Mapping[str, FeatureEntry], protocol: MetricProtocol) -> tuple[str, ...]:
    """The weights a metric needs under a protocol: its own, and those of the extractor that the protocol names."""
    if metric.features is None:
        return metric.needs
    feature = protocol.features.get(metric.features, metric.features)
    extractor = lookup(features, feature.partition(".")[0], "feature extractor")
    return tuple(dict.fromkeys((*metric.needs, *extractor.needs)))


def identity(name: str) -> str:
    """What signatures say of these weights: ``file#first 12 digits of its SHA-256``, and whether it was pinned."""
    path = find(name)
    file = next(f for f in WEIGHTS[name].files if f.name == path.name)
    return f"{path.name}#{of_file(path)[:12]}" + ("" if file.pin != "none" else " (unpinned)")


def backends(extractor: FeatureEntry) -> str:
    """Names and versions of the installed packages whose network classes an extractor is built on; often none."""
    return ", ".join(f"{name} {version(DISTRIBUTIONS.get(name, name))}" for name in extractor.packages)


def verify(path: Path, file: File) -> None:
    """Raises :class:`IntegrityError` when the file's digest is not the pinned, or first recorded, one."""
    algorithm, _, wanted = file.pin.partition(":")
    if algorithm == "none":
        note = path.with_name(f"{path.name}.sha256")
        wanted = note.read_text().strip() if note.is_file() else ""
    found = of_file(path, "md5" if algorithm == "md5" else "sha256")
    if not found.startswith(wanted):
        raise IntegrityError(
            f"{path} is not the pinned file: {algorithm} {found} where {wanted} is expected; "
            "delete it and fetch it again."
        )


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


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Loads all of ``state`` into all of ``module``; raises :class:`IntegrityError` naming what differs."""
    own = module.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    wrong = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    if missing or extra or wrong:
        parts = (("missing", missing), ("unexpected", extra), ("of another shape", wrong))
        said = "; ".join(f"{len(keys)} {what} ({', '.join(keys[:3])})" for what, keys in parts if keys)
        raise IntegrityError(f"{origin} does not fit the network: {said}; fetch the file named in the table again.")
    module.load_state_dict(dict(state))


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

    with warnings.catch_warnings(), _unfilled():
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        network: nn.Module = lpips.LPIPS(net=backbone, version="0.1", pnet_rand=True, verbose=False)
        return network


def _unfilled() -> AbstractContextManager[object]:
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
