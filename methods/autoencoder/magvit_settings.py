"""The widths of Open-MAGVIT2's network, which SimVQ shares. Plain data: no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.contract import RECON_FIELD, MultiplesOf


@dataclass(frozen=True)
class MagvitSettings:
    """Widths of encoder and decoder.

    - ``ch`` times ``ch_mult`` are the widths of the levels, each with ``num_res_blocks``; as many are in the middle.
    - ``z_channels``: of a cell, between encoder and decoder; ``adaptive``: the decoder's statistics of the code.
    - ``ema``: the moving averages and not the weights of the last step; published numbers are those of the averages.
    """

    ch: int = 128
    ch_mult: tuple[int, ...] = (1, 1, 2, 2, 4)
    num_res_blocks: int = 4
    z_channels: int = 18
    adaptive: bool = True
    ema: bool = field(default=True, metadata=RECON_FIELD)

    @property
    def stride(self) -> int:
        """Image pixels along one side of a cell."""
        return 2 ** (len(self.ch_mult) - 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, from the finest."""
        return tuple(self.ch * factor for factor in self.ch_mult)


def takes(settings: MagvitSettings, size: tuple[int, int]) -> MultiplesOf:
    """Multiples of the stride; there is no attention."""
    return MultiplesOf(settings.stride, settings.stride)
