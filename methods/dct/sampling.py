"""Drawing lists of coefficients chunk by chunk, with caches of keys and values."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contract import Sparse
from methods.dct.blocks import BlockCache, causal_mask
from methods.dct.chunks import Chunk, cut
from methods.dct.transformer import DCTransformerModel
from methods.priors.choosing import draw
from methods.priors.settings import Choice


def sample(model: DCTransformerModel, generators: list[torch.Generator], given: list[Tensor], first: int) -> Sparse:
    """Continues each list in channels from ``first`` on, until its stop token or the model's longest list.

    Sample i takes its noise from ``generators[i]`` alone. A new chunk starts where the last one is full: its triples
    go into the encoder, and the decoders keep the last of them as context.
    """
    layout, settings = model.layout, model.settings
    lists, done = list(given), [False] * len(given)
    while not all(done):
        known = Sparse(tuple(lists), layout.shape, layout.size)
        starts = [len(t) for t in lists]
        chunk = cut(known, starts, layout, settings.chunk, settings.overlap, model.device)
        drawn = _Drawing(model, chunk, generators, first).run()
        for i, triples in enumerate(drawn):
            if not done[i]:
                room = max(int(model.longest) - len(lists[i]), 0)
                stops = (triples[:, 0] == layout.shape[0]).nonzero()
                end = int(stops[0]) if len(stops) else len(triples)
                lists[i] = torch.cat([lists[i], triples[: min(end, room)]])
                done[i] = len(stops) > 0 or end >= room
    return Sparse(tuple(lists), layout.shape, layout.size)


class _Drawing:
    """One chunk for all samples, token by token."""

    def __init__(self, model: DCTransformerModel, chunk: Chunk, generators: list[torch.Generator], first: int) -> None:
        self.model, self.generators = model, generators
        self.choice = Choice(temperature=model.settings.temperature)
        self.rules = model.following()
        self.allowed = torch.arange(model.layout.shape[0] + 1, device=model.device) >= first
        self.memory = model.encode(chunk.dense)
        self.caches = model.new_caches(len(generators))
        overlap = model.settings.overlap
        self.seen = chunk.known[:, :overlap]
        self.before = chunk.before[:, overlap : overlap + 1]
        if bool(self.seen.any()):
            self._read(chunk, overlap)
        else:
            self.seen = self.seen[:, :0]

    def _read(self, chunk: Chunk, overlap: int) -> None:
        """Fills the caches with the context."""
        model, mask = self.model, causal_mask(self.seen)
        channel, position, _ = chunk.tokens[:, :overlap].unbind(2)
        hidden = self._decode(0, model.embed(chunk.before[:, :overlap], 0), mask)
        hidden = self._decode(1, hidden + model.channels(channel), mask)
        self._decode(2, hidden + model.at(position, self.memory), mask)

    def _decode(self, decoder: int, x: Tensor, mask: Tensor) -> Tensor:
        stacks = (self.model.channel_decoder, self.model.position_decoder, self.model.value_decoder)
        caches: list[BlockCache] = self.caches[decoder]
        return stacks[decoder](x, mask, self.memory, caches)

    def run(self) -> Tensor:
        """Tokens int64 ``[N, <= chunk, 3]`` on the CPU; what follows a stop token means nothing."""
        tokens: list[Tensor] = []
        stop = self.model.layout.shape[0]
        ended = torch.zeros(len(self.generators), dtype=torch.bool, device=self.model.device)
        for place in range(self.model.settings.overlap, self.model.settings.overlap + self.model.settings.chunk):
            token = self._step(place)
            tokens.append(token)
            ended |= token[:, 0, 0] == stop
            if bool(ended.all()):
                break
            self.before = torch.where((token[:, :, :1] == stop), self.before, token)
        return torch.cat(tokens, 1).cpu()

    def _step(self, place: int) -> Tensor:
        """The next token of every sample, int64 ``[N, 1, 3]``."""
        model, before = self.model, self.before
        self.seen = torch.cat([self.seen, torch.ones_like(before[:, :, 0], dtype=torch.bool)], 1)
        mask = self.seen[:, None, None]
        hidden = self._decode(0, model.embed(before, place), mask)
        channel = self._draw(model.to_channel(hidden), self.rules.channel(before) & self.allowed)
        hidden = self._decode(1, hidden + model.channels(channel), mask)
        position = self._draw(model.to_position(hidden), self.rules.position(before, channel))
        hidden = self._decode(2, hidden + model.at(position, self.memory), mask)
        value = self._draw(model.to_value(hidden), self.rules.value(model.device))
        return torch.stack([channel, position, value], 2)

    def _draw(self, logits: Tensor, allowed: Tensor) -> Tensor:
        """One index per sample, int64 ``[N, 1]``."""
        masked = logits.float().masked_fill(~allowed, -torch.inf)[:, 0]
        return draw(masked, self.choice, self.generators)[:, None]
