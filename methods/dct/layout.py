"""Where coefficients are: the grid of blocks, the order of channels, and dense arrays as lists of triples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from bench.contract import Sparse
from methods.dct.presets import Settings
from methods.dct.transform import HALF, quantisation_table

PLANES = 3


@dataclass(frozen=True)
class Layout:
    """The code space of images of ``size`` (H, W) pixels.

    Images are padded to whole pairs of blocks, because chroma has half the resolution. A channel is a frequency of a
    plane; a position is a block's place in the raster of luma blocks. A chroma block covers four luma blocks and has
    the position of the upper left one.
    """

    settings: Settings
    size: tuple[int, int]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of luma blocks, both even."""
        pair = 2 * self.settings.block
        return (2 * -(-self.size[0] // pair), 2 * -(-self.size[1] // pair))

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width in pixels after padding."""
        return (self.grid[0] * self.settings.block, self.grid[1] * self.settings.block)

    @property
    def frequencies(self) -> int:
        """Frequencies of a plane."""
        return self.settings.block**2

    @cached_property
    def steps(self) -> Tensor:
        """Quantisation steps, float64 ``[3, frequencies]``, in zigzag order."""
        luma, chroma = (quantisation_table(self.settings.q, self.settings.block, c) for c in (False, True))
        return torch.stack([luma, chroma, chroma])

    @cached_property
    def limit(self) -> int:
        """The largest quantised magnitude: no orthonormal coefficient exceeds the norm of a block of extremes."""
        return int(HALF * self.settings.block / float(self.steps.min()) + 0.5)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Vocabularies: channels, positions, values (``2 * limit + 1``, zero in the middle and never in a triple)."""
        return (PLANES * self.frequencies, self.grid[0] * self.grid[1], 2 * self.limit + 1)

    @cached_property
    def chroma_positions(self) -> Tensor:
        """Positions of the chroma blocks in raster order, int64 ``[positions / 4]``."""
        positions = torch.arange(self.grid[0] * self.grid[1], device="cpu").reshape(self.grid)
        return positions[::2, ::2].flatten()

    @cached_property
    def plane_of(self) -> Tensor:
        """The plane (0 = Y, 1 = Cb, 2 = Cr) of each channel, int64 ``[channels]``."""
        channels = torch.arange(PLANES * self.frequencies, device="cpu")
        return channels % PLANES if self.settings.order == "interleaved" else channels // self.frequencies

    @cached_property
    def blocks_of(self) -> Tensor:
        """How many positions each channel can occupy, int64 ``[channels]``."""
        luma = self.grid[0] * self.grid[1]
        return torch.where(self.plane_of == 0, luma, luma // 4)

    def to_channels(self, by_plane: Tensor) -> Tensor:
        """``[N, 3, frequencies, P] -> [N, channels, P]`` in the order of the settings."""
        ordered = by_plane.transpose(1, 2) if self.settings.order == "interleaved" else by_plane
        return ordered.flatten(1, 2)

    def to_planes(self, by_channel: Tensor) -> Tensor:
        """The inverse of :meth:`to_channels`."""
        if self.settings.order == "interleaved":
            return by_channel.unflatten(1, (self.frequencies, PLANES)).transpose(1, 2)
        return by_channel.unflatten(1, (PLANES, self.frequencies))


def to_sparse(dense: Tensor, layout: Layout) -> Sparse:
    """Quantised coefficients, integers ``[N, channels, positions]``, as triples sorted by channel, then position."""
    found = dense.nonzero()
    values = dense[found.unbind(1)].long() + layout.limit
    triples = torch.stack([found[:, 1], found[:, 2], values], dim=1)
    lengths = found[:, 0].bincount(minlength=len(dense))
    return Sparse(tuple(triples.split(lengths.tolist())), layout.shape, layout.size)


def to_dense(codes: Sparse, layout: Layout, device: torch.device) -> Tensor:
    """The inverse of :func:`to_sparse`, int32, whatever the order of the triples."""
    channels, positions, _ = layout.shape
    dense = torch.zeros(len(codes.triples), channels, positions, dtype=torch.int32, device=device)
    if codes.triples:
        triples = torch.cat(codes.triples).to(device)
        lengths = torch.tensor([len(t) for t in codes.triples], device=device)
        image = torch.arange(len(lengths), device=device).repeat_interleave(lengths)
        dense[image, triples[:, 0], triples[:, 1]] = (triples[:, 2] - layout.limit).int()
    return dense
