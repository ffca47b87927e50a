"""FID's InceptionV3 of 2015-12-05, on torch-fidelity's network, behind three conventions of resizing to 299 x 299."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from bench.errors import IntegrityError
from bench.metrics.features.resample import bicubic_antialiased
from bench.pretrained.weights import load_state

SIDE = 299
BEFORE_SPATIAL = (
    "Conv2d_1a_3x3",
    "Conv2d_2a_3x3",
    "Conv2d_2b_3x3",
    "MaxPool_1",
    "Conv2d_3b_1x1",
    "Conv2d_4a_3x3",
    "MaxPool_2",
    "Mixed_5b",
    "Mixed_5c",
    "Mixed_5d",
    "Mixed_6a",
    "Mixed_6b",
    "Mixed_6c",
)
AFTER_SPATIAL = ("Mixed_6d", "Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool")
SPATIAL_CHANNELS = 7

Prepare = Callable[[Tensor], Tensor]
"""uint8 ``[N, 3, H, W]`` to the network's float32 input ``[N, 3, 299, 299]``."""


class Inception:
    """uint8 ``[N, 3, H, W]`` to ``pool3 [N, 2048]``, ``logits [N, 1008]``, ``spatial [N, 2023]``, float32.

    - ``pool3``: the average of the last feature map (Heusel et al. 2017).
    - ``logits``: the class scores without bias, as FID's graph computes IS.
    - ``spatial``: the first 7 channels of ``mixed_6/conv``, 17 x 17, row by row, channels last (sFID, Nash et al.
      2021). In this port that is ``Mixed_6d.branch1x1`` after batch norm and ReLU; the mapping was not checked against
      the TensorFlow graph.
    """

    def __init__(self, network: nn.Module, prepare: Prepare, device: torch.device) -> None:
        layers = dict(network.named_children())
        self._stem = nn.Sequential(*(layers[name] for name in BEFORE_SPATIAL))
        self._head = nn.Sequential(*(layers[name] for name in AFTER_SPATIAL))
        self._classes = network.get_parameter("fc.weight").to(device)
        self._prepare = prepare
        self._device = device
        self._spatial = torch.empty(0)
        for part in (self._stem, self._head):
            part.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        layers["Mixed_6d"].get_submodule("branch1x1").register_forward_hook(self._see)

    def _see(self, module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        self._spatial = result[:, :SPATIAL_CHANNELS]

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """One pass for all outputs."""
        with torch.inference_mode():
            prepared = self._prepare(images.to(self._device))
            pooled = self._head(self._stem(prepared.contiguous(memory_format=torch.channels_last))).flatten(1)
            spatial = self._spatial.permute(0, 2, 3, 1).flatten(1)
            return {"pool3": pooled, "logits": pooled @ self._classes.T, "spatial": spatial}


def build_tf1(device: torch.device, weights: Callable[[str], Path]) -> Inception:
    """TensorFlow 1's bilinear resize inside the network: torch-fidelity, ADM, the original FID."""
    return Inception(_network(weights), prepare_tf1, device)


def build_clean(device: torch.device, weights: Callable[[str], Path]) -> Inception:
    """clean-fid: antialiased bicubic, not quantised."""
    return Inception(_network(weights), prepare_clean, device)


def build_pytorch(device: torch.device, weights: Callable[[str], Path]) -> Inception:
    """pytorch-fid: torch's bilinear resize without antialiasing; inputs scaled to [-1, 1]."""
    return Inception(_network(weights), prepare_pytorch, device)


def prepare_tf1(images: Tensor) -> Tensor:
    """As in FID's graph: corners not aligned, half-pixel centres not used; then (x - 128) / 128."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    resized: Tensor = interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=(SIDE, SIDE), align_corners=False)
    return (resized - 128) / 128


def prepare_clean(images: Tensor) -> Tensor:
    """Pillow's bicubic on floats, clipped; then (x - 128) / 128."""
    return (bicubic_antialiased(images.float(), SIDE, SIDE) - 128) / 128


def prepare_pytorch(images: Tensor) -> Tensor:
    """Bilinear without antialiasing; then x / 127.5 - 1."""
    return interpolate(images.float(), size=(SIDE, SIDE), mode="bilinear", align_corners=False) / 127.5 - 1


def _network(weights: Callable[[str], Path]) -> nn.Module:
    """torch-fidelity's network with the pinned weights, read by our loader and handed over in memory."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = weights("inception-2015-12-05")
    held = io.BytesIO()
    torch.save(load_state(path), held)
    held.seek(0)
    try:
        network: nn.Module = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=held
        )
    except RuntimeError as error:
        said = " ".join(str(error).split())[:200]
        raise IntegrityError(f"{path} does not fit FID's Inception ({said}); fetch it again.") from error
    return network
