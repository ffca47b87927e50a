"""Lists of triples as training chunks: which part is predicted, what is known before, and what may follow what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from bench.contract import Sparse
from methods.dct.layout import Layout, to_dense


@dataclass(frozen=True)
class Chunk:
    """Chunks of N images, each token a triple or the stop token (channel = number of channels, the rest 0).

    - ``dense``: int32 ``[N, channels, positions]``, the levels of all triples before the target.
    - ``tokens``: int64 ``[N, overlap + chunk, 3]``; the first ``overlap`` are context, the others the target.
    - ``before``: the token before each; before the first triple of an image stands the stop token.
    - ``known``: bool ``[N, overlap + chunk]``, False for padding; ``target``: those of them that are predicted.
    """

    dense: Tensor
    tokens: Tensor
    before: Tensor
    known: Tensor
    target: Tensor


def chunks_of(length: int, chunk: int) -> int:
    """How many chunks hold ``length`` triples and the stop token."""
    return ceil((length + 1) / chunk)


def draw_chunk(count: int, uniform: float, floor: float) -> int:
    """The number of a chunk in ``[0, count)`` by a number in [0, 1): weight ``floor + (1 - floor) (1 - k / count)^3``.

    The paper prefers early chunks by a cubic decay with a floor of 0.1; that this is its formula is inferred.
    """
    weights = [floor + (1 - floor) * (1 - k / count) ** 3 for k in range(count)]
    target, reached = uniform * sum(weights), 0.0
    for number, weight in enumerate(weights):
        reached += weight
        if target < reached:
            return number
    return count - 1


def cut(codes: Sparse, starts: Sequence[int], layout: Layout, chunk: int, overlap: int, device: torch.device) -> Chunk:
    """The chunk of each image that begins at triple ``starts[i]`` (the stop token comes after the last triple)."""
    channels, _, values = layout.shape
    stop = torch.tensor([[channels, 0, values // 2]])
    rows = [
        _row(torch.cat([stop, triples.cpu(), stop]), start, chunk, overlap)
        for triples, start in zip(codes.triples, starts, strict=True)
    ]
    tokens, before, known = (torch.stack(part) for part in zip(*rows, strict=True))
    target = known.clone()
    target[:, :overlap] = False
    past = Sparse(
        tuple(triples[:start] for triples, start in zip(codes.triples, starts, strict=True)), codes.shape, codes.size
    )
    dense = to_dense(past, layout, device)
    return Chunk(dense, tokens.to(device), before.to(device), known.to(device), target.to(device))


def _row(framed: Tensor, start: int, chunk: int, overlap: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, the token before each, and which are there; ``framed`` has a stop token at both ends."""
    first = max(start - overlap, 0)
    last = min(start + chunk, len(framed) - 1)
    at = overlap - (start - first)
    tokens = framed[:1].repeat(overlap + chunk, 1)
    before, known = tokens.clone(), torch.zeros(overlap + chunk, dtype=torch.bool)
    end = at + last - first
    tokens[at:end] = framed[first + 1 : last + 1]
    before[at:end] = framed[first:last]
    known[at:end] = True
    return tokens, before, known


class Following:
    """Which triple may follow which: channels ascend, positions ascend within a channel, a value is not zero."""

    def __init__(self, layout: Layout, device: torch.device) -> None:
        self.channels, self.positions, self.values = layout.shape
        occupied = torch.zeros(3, self.positions, dtype=torch.bool)
        occupied[0] = True
        occupied[1:, layout.chroma_positions] = True
        self._occupied = occupied[layout.plane_of].to(device)
        self._last = torch.cat([self._last_position(occupied)[layout.plane_of], torch.zeros(1).long()]).to(device)

    def _last_position(self, occupied: Tensor) -> Tensor:
        places = torch.arange(self.positions).expand_as(occupied)
        return torch.where(occupied, places, 0).amax(1)

    def channel(self, before: Tensor) -> Tensor:
        """Bool ``[..., channels + 1]`` for tokens ``[..., 3]``; the last is to stop, which is always possible."""
        previous, position = before[..., :1], before[..., 1:2]
        candidates = torch.arange(self.channels + 1, device=before.device)
        start = previous == self.channels
        more = (candidates == previous) & (position < self._last[previous.clamp(max=self.channels)])
        return start | (candidates > previous) | more

    def position(self, before: Tensor, channel: Tensor) -> Tensor:
        """Bool ``[..., positions]`` for tokens ``[..., 3]`` and the channels ``[...]`` that follow them."""
        places = torch.arange(self.positions, device=before.device)
        later = (channel != before[..., 0])[..., None] | (places > before[..., 1:2])
        inside = self._occupied[channel.clamp(max=self.channels - 1)] & later
        return inside | (channel == self.channels)[..., None]

    def value(self, device: torch.device) -> Tensor:
        """Bool ``[values]``: all but zero, which is in the middle."""
        allowed = torch.ones(self.values, dtype=torch.bool, device=device)
        allowed[self.values // 2] = False
        return allowed
