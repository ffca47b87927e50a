"""The noise predictor: ``diffusers.UNet2DModel`` at the sizes of :class:`~.settings.UNetShape`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bench.errors import Missing
from methods.priors.settings import UNetShape

if TYPE_CHECKING:
    from torch import nn


def build_unet(shape: UNetShape, code_channels: int, classes: int = 0) -> nn.Module:
    """A U-Net from codes ``[N, code_channels, h, w]`` and times ``[N]`` to the predicted noise.

    ``classes`` counts the class embeddings, 0 for none. Raises :class:`Missing` where diffusers is not installed.
    """
    try:
        from diffusers import UNet2DModel
    except ImportError as error:
        raise Missing(
            "Diffusion priors need diffusers; install it with: pip install image-tokenizer-bench[generation]"
        ) from error

    resnet = shape.resample == "resnet"
    plain_down, plain_up = (
        ("ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D") if resnet else ("DownBlock2D", "UpBlock2D")
    )
    unet = UNet2DModel(
        in_channels=code_channels,
        out_channels=code_channels,
        block_out_channels=shape.channels,
        layers_per_block=shape.layers,
        down_block_types=tuple("AttnDownBlock2D" if a else plain_down for a in shape.attention),
        up_block_types=tuple("AttnUpBlock2D" if a else plain_up for a in reversed(shape.attention)),
        attention_head_dim=shape.head_channels,
        downsample_type=shape.resample,
        upsample_type=shape.resample,
        norm_num_groups=shape.groups,
        attn_norm_num_groups=shape.groups,
        resnet_time_scale_shift="scale_shift" if shape.scale_shift else "default",
        num_class_embeds=classes or None,
    )
    module = cast("nn.Module", unet)
    if shape.heads is not None:
        _set_heads(module, shape.heads)
    return module


def _set_heads(unet: nn.Module, heads: int) -> None:
    """Fixes the number of heads: UNet2DModel's constructor can only fix their width."""
    from diffusers.models.attention_processor import Attention

    for module in unet.modules():
        if isinstance(module, Attention):
            module.heads = heads


def smallest_side(shape: UNetShape) -> int:
    """Codes must have sides divisible by this."""
    return 2 ** (len(shape.channels) - 1)
