"""The widths of MaskGIT's convolutional network, which MaskBit, VQGAN+ and TiTok share. Plain data: no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.contract import RECON_FIELD, MultiplesOf


@dataclass(frozen=True)
class MaskGITSettings:
    """Widths of encoder and decoder, and what stands between them.

    - ``ch`` times ``ch_mult`` are the widths of the levels, each with ``num_res_blocks``; as many are in the middle.
    - ``z_channels``: of a cell. ``n_embed``: vectors of the codebook; 0: there is none, and a channel is a bit.
    - ``strided``: the encoder halves by convolutions and not by means of 2x2 pixels.
    - ``ema``: the moving averages of a file that has them.
    """

    ch: int = 128
    ch_mult: tuple[int, ...] = (1, 1, 2, 2, 4)
    num_res_blocks: int = 2
    z_channels: int = 256
    n_embed: int = 1024
    strided: bool = False
    ema: bool = field(default=False, metadata=RECON_FIELD)

    @property
    def stride(self) -> int:
        """Image pixels along one side of a cell."""
        return 2 ** (len(self.ch_mult) - 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, from the finest."""
        return tuple(self.ch * factor for factor in self.ch_mult)


def takes(settings: MaskGITSettings, size: tuple[int, int]) -> MultiplesOf:
    """Multiples of the stride; there is no attention."""
    return MultiplesOf(settings.stride, settings.stride)
