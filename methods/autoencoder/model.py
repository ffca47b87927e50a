"""What the autoencoders have in common towards their learner, tokenizer and cost: one protocol, a few functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch import Tensor, nn

from bench.contract import Part
from bench.errors import BenchError
from methods.autoencoder.autoencoder import Decoder, Encoder
from methods.autoencoder.settings import Architecture

if TYPE_CHECKING:
    from bench.contract import Build, Comm, Seeds


@dataclass(frozen=True)
class Pass:
    """A forward pass in training: ``reconstruction`` in [-1, 1], and the bottleneck's own weighted loss, a mean."""

    reconstruction: Tensor
    bottleneck: Tensor
    parts: Mapping[str, Tensor]


class Autoencoder(Protocol):
    """Encoder, bottleneck, decoder. ``networks`` are what gradients train: everything but moving averages."""

    encoder: Encoder
    decoder: Decoder

    def reconstruct(self, images: Tensor, seeds: Seeds, step: int, gather: bool) -> Pass:
        """``images`` in [-1, 1]. ``gather`` False: the codebook takes no notice of this pass."""
        ...

    def after_step(self, step: int, comm: Comm) -> None:
        """What counts once per step."""
        ...

    def settle(self) -> None:
        """Called once when training is over."""
        ...


def conv1x1(inputs: int, outputs: int) -> nn.Conv2d:
    """``quant_conv`` and ``post_quant_conv``: from the encoder's channels to the codes' and back."""
    return nn.Conv2d(inputs, outputs, 1)


class Coders(Protocol):
    """What has an encoder and a decoder."""

    @property
    def encoder(self) -> nn.Module: ...

    @property
    def decoder(self) -> nn.Module: ...


def place(model: Coders, build: Build) -> None:
    """Moves the model to the build's device and memory format, and compiles encoder and decoder where that is asked."""
    module = cast(nn.Module, model)
    module.to(build.device)
    if build.channels_last:
        module.to(memory_format=torch.channels_last)
    if build.compile:
        model.encoder.compile()
        model.decoder.compile()


def check_images(images: Tensor, stride: int) -> None:
    """Raises :class:`BenchError` for all but uint8 ``[N, 3, H, W]`` with sides that are multiples of ``stride``."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise BenchError(f"Images are uint8 [N, 3, H, W]; these are {images.dtype} {list(images.shape)}.")
    height, width = images.shape[-2:]
    if height % stride or width % stride:
        raise BenchError(
            f"The image sides {height} x {width} are not multiples of {stride}, the downsampling; "
            "choose another resolution."
        )


def check_built_for(images: Tensor, size: tuple[int, int]) -> None:
    """Raises :class:`BenchError` for images of another (height, width) than a tokenizer was built for."""
    height, width = images.shape[-2:]
    if (height, width) != size:
        raise BenchError(
            f"These images are {height} x {width} pixels and this tokenizer is built for {size[0]} x {size[1]} alone; "
            "resize them."
        )


def parameters(*modules: nn.Module) -> int:
    """How many values the modules' parameters have."""
    return sum(p.numel() for module in modules for p in module.parameters())


def parts(architecture: Architecture, codebook: int) -> Sequence[Part]:
    """Bare encoder and decoder on the meta device, as the published decoder costs count them (no 1x1 convolutions).

    Attention is two matrix products, as in the official code: fvcore sees those. ``codebook`` is how many values the
    codebook has.
    """
    plain = replace(architecture, attention="matmul")
    with torch.device("meta"):
        encoder, decoder = Encoder(plain).eval(), Decoder(plain).eval()
        side, channels = architecture.resolution, architecture.in_channels
        images = torch.empty(1, channels, side, side)
        latents = torch.empty(1, architecture.z_channels, architecture.grid, architecture.grid)
    return (
        Part("encoder", "encoder", lambda: encoder(images), {"network": parameters(encoder)}),
        Part("decoder", "decoder", lambda: decoder(latents), {"network": parameters(decoder), "codebook": codebook}),
    )
