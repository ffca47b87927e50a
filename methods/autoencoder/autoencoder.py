"""The one encoder and decoder of VQGAN, RQ-VAE, KL-LDM and VQ-LDM (Esser et al. 2021, appendix A, table 7).

Key names are those of the official repositories, which are identical, so their checkpoints load strictly.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from methods.autoencoder.blocks import AttnBlock, Downsample, Middle, ResnetBlock, Upsample, normalize
from methods.autoencoder.settings import Architecture


class Level(nn.Module):
    """The blocks of one resolution; ``downsample`` or ``upsample`` ends it. Key names ``block.i``, ``attn.i``."""

    def __init__(self, widths: list[int], attend: bool, a: Architecture) -> None:
        super().__init__()
        self.block, self.attn = nn.ModuleList(), nn.ModuleList()
        for inputs, outputs in pairwise(widths):
            self.block.append(ResnetBlock(inputs, outputs, a.norm_groups))
            if attend:
                self.attn.append(AttnBlock(outputs, a.norm_groups, a.attention == "fused"))
        self.downsample: Downsample | None = None
        self.upsample: Upsample | None = None
        self.checkpointing = a.checkpointing

    def forward(self, x: Tensor) -> Tensor:
        for i, block in enumerate(self.block):
            x = checkpoint(block, x, use_reentrant=False) if self.checkpointing and self.training else block(x)
            if self.attn:
                x = self.attn[i](x)
        if self.downsample is not None:
            x = self.downsample(x)
        return x if self.upsample is None else self.upsample(x)


def _widths(a: Architecture) -> list[int]:
    return [a.ch * m for m in a.ch_mult]


def _attends(a: Architecture, level: int, sides: tuple[int, ...]) -> bool:
    return a.resolution // a.patch // 2**level in sides


class Encoder(nn.Module):
    """Images ``[N, 3, R, R]`` in [-1, 1] to features ``[N, z_channels (x 2 with double_z), G, G]``."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        widths = _widths(a)
        self.patch = a.patch
        self.conv_in = nn.Conv2d(a.in_channels * a.patch**2, a.ch, 3, padding=1)
        self.down = nn.ModuleList()
        for i, width in enumerate(widths):
            before = widths[i - 1] if i else a.ch
            level = Level([before] + [width] * a.num_res_blocks, _attends(a, i, a.attn_resolutions), a)
            if i < len(widths) - 1:
                level.downsample = Downsample(width)
            self.down.append(level)
        self.mid = Middle(widths[-1], a)
        self.norm_out = normalize(widths[-1], a.norm_groups)
        self.conv_out = nn.Conv2d(widths[-1], a.z_channels * (2 if a.double_z else 1), 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_in(F.pixel_unshuffle(x, self.patch) if self.patch > 1 else x)
        for level in self.down:
            h = level(h)
        return self.conv_out(F.silu(self.norm_out(self.mid(h))))


class Decoder(nn.Module):
    """Features ``[N, z_channels, G, G]`` to images ``[N, 3, R, R]``, nominally in [-1, 1], not clamped."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        widths = _widths(a)
        self.patch = a.patch
        self.conv_in = nn.Conv2d(a.z_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1], a)
        # Built from the deepest level to the first, as published, so that one seed gives one initialisation;
        # stored by level, so that the keys count from the finest resolution.
        sides = a.attn_resolutions if a.decoder_attn_resolutions is None else a.decoder_attn_resolutions
        levels: list[Level] = []
        for i in reversed(range(len(widths))):
            before = widths[i + 1] if i < len(widths) - 1 else widths[-1]
            level = Level([before] + [widths[i]] * (a.num_res_blocks + 1), _attends(a, i, sides), a)
            if i > 0:
                level.upsample = Upsample(widths[i])
            levels.insert(0, level)
        self.up = nn.ModuleList(levels)
        self.norm_out = normalize(widths[0], a.norm_groups)
        self.conv_out = nn.Conv2d(widths[0], a.out_ch * a.patch**2, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            h = level(h)
        x = self.conv_out(F.silu(self.norm_out(h)))
        return F.pixel_shuffle(x, self.patch) if self.patch > 1 else x
