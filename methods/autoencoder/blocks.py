"""Residual, attention and resampling blocks with the key names of taming-transformers (Esser et al. 2021).

latent-diffusion and rq-vae-transformer use the same names, so one set of blocks hosts all three families.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from methods.autoencoder.settings import Architecture


def normalize(channels: int, groups: int) -> nn.Module:
    """GroupNorm with the published epsilon of 1e-6; no ``groups``, no normalisation."""
    return nn.GroupNorm(groups, channels, eps=1e-6) if groups else nn.Identity()


class ResnetBlock(nn.Module):
    """Two 3x3 convolutions, each after GroupNorm and SiLU, and a skip connection: ``[N, I, H, W] -> [N, O, H, W]``."""

    def __init__(self, in_channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = normalize(in_channels, groups)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = normalize(out_channels, groups)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.nin_shortcut is None else self.nin_shortcut(x))


class AttnBlock(nn.Module):
    """Single-head self-attention over all positions, around a skip connection. ``[N, C, H, W] -> [N, C, H, W]``."""

    def __init__(self, channels: int, groups: int, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.norm = normalize(channels, groups)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (tokens(f(h)) for f in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v) if self.fused else plain_attention(q, k, v)
        return x + self.proj_out(mixed.transpose(-1, -2).reshape(x.shape))


def tokens(x: Tensor) -> Tensor:
    """``[N, C, H, W]`` as one head of H*W tokens, ``[N, 1, H*W, C]``."""
    return x.flatten(2).transpose(1, 2).unsqueeze(1)


def plain_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention (Vaswani et al. 2017, eq. 1) as two matrix products, ``[N, 1, L, C]``."""
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    return scores.softmax(-1) @ v


class Downsample(nn.Module):
    """3x3 convolution of stride 2 after one row and column of zeros at the bottom and right, as published."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Nearest-neighbour doubling, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Middle(nn.Module):
    """Residual block, attention, residual block; key names ``block_1``, ``attn_1``, ``block_2``."""

    def __init__(self, channels: int, a: Architecture) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, a.norm_groups)
        self.attn_1 = AttnBlock(channels, a.norm_groups, a.attention == "fused") if a.mid_attention else nn.Identity()
        self.block_2 = ResnetBlock(channels, channels, a.norm_groups)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))
