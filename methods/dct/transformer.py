"""DCTransformer's network: p(channel) p(position | channel) p(value | channel, position) (Nash et al. 2021, eq. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.dct.blocks import BlockCache, Shape, Stack, causal_mask
from methods.dct.chunks import Chunk, Following
from methods.dct.layout import Layout
from methods.dct.prior_presets import DCTransformer
from methods.priors import common
from methods.priors.transformer import initialise


@dataclass(frozen=True)
class Logits:
    """Of each token: channels ``[N, T, channels + 1]``, positions ``[N, T, positions]``, values ``[N, T, values]``.

    What cannot follow (:class:`Following`) is minus infinity.
    """

    channel: Tensor
    position: Tensor
    value: Tensor


class DCTransformerModel(nn.Module):
    """Encoder over the partial DCT image, and the channel, position and value decoders on top of each other.

    Each later decoder receives the earlier one's hidden state plus the embedding of the field just known; the value
    decoder also the encoder's feature at the position.
    """

    def __init__(self, settings: DCTransformer, layout: Layout, longest: int, tokenizer_revision: str) -> None:
        super().__init__()
        self.settings, self.layout = settings, layout
        channels, positions, values = layout.shape
        width = settings.width
        self.levels = nn.Linear(channels, width)
        self.channels = nn.Embedding(channels + 1, width)
        self.positions = nn.Embedding(positions, width)
        self.values = nn.Embedding(values, width)
        self.places = nn.Embedding(settings.overlap + settings.chunk, width)
        self.encoder = Stack(settings.encoder_blocks, self._shape(cross=False))
        self.channel_decoder, self.position_decoder, self.value_decoder = (
            Stack(settings.decoder_blocks, self._shape(cross=True)) for _ in range(3)
        )
        self.to_channel = nn.Linear(width, channels + 1)
        self.to_position = nn.Linear(width, positions)
        self.to_value = nn.Linear(width, values)
        initialise(self)
        self.register_buffer("owner", common.owner(tokenizer_revision))
        self.register_buffer("longest", torch.tensor(longest))
        self.owner: Tensor
        self.longest: Tensor

    def _shape(self, cross: bool) -> Shape:
        s = self.settings
        return Shape(s.width, s.heads, s.feed_forward, s.expansion, s.dropout, cross)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.owner.device

    def following(self) -> Following:
        """The rules of what may follow what, on the weights' device."""
        return Following(self.layout, self.device)

    def encode(self, dense: Tensor) -> Tensor:
        """Levels int32 ``[N, channels, positions]`` to features ``[N, positions, width]``."""
        compressed = torch.asinh(dense.to(self.levels.weight.dtype)).transpose(1, 2)
        return self.encoder(self.levels(compressed) + self.positions.weight)

    def forward(self, chunk: Chunk) -> Logits:
        """The logits of all tokens of a chunk, each from the tokens before it and the encoding of the past."""
        memory, mask = self.encode(chunk.dense), causal_mask(chunk.known)
        channel, position, _ = chunk.tokens.unbind(2)
        hidden = self.channel_decoder(self.embed(chunk.before, 0), mask, memory)
        channel_logits = self.to_channel(hidden)
        hidden = self.position_decoder(hidden + self.channels(channel), mask, memory)
        position_logits = self.to_position(hidden)
        hidden = self.value_decoder(hidden + self.at(position, memory), mask, memory)
        return self.masked(channel_logits, position_logits, self.to_value(hidden), chunk.before, channel)

    def embed(self, before: Tensor, place: int) -> Tensor:
        """The tokens before, int64 ``[N, T, 3]``, at places ``place`` and on, as the decoders' input."""
        channel, position, value = before.unbind(2)
        places = self.places.weight[place : place + before.shape[1]]
        return self.channels(channel) + self.positions(position) + self.values(value) + places

    def at(self, position: Tensor, memory: Tensor) -> Tensor:
        """Embedding and encoder feature of positions ``[N, T]``, ``[N, T, width]``."""
        index = position[:, :, None].expand(-1, -1, memory.shape[2])
        return self.positions(position) + memory.gather(1, index)

    def masked(self, channel: Tensor, position: Tensor, value: Tensor, before: Tensor, chosen: Tensor) -> Logits:
        """Logits with minus infinity for what cannot follow; ``chosen`` are the channels ``[N, T]``."""
        rules = self.following()
        return Logits(
            channel.float().masked_fill(~rules.channel(before), -torch.inf),
            position.float().masked_fill(~rules.position(before, chosen), -torch.inf),
            value.float().masked_fill(~rules.value(value.device), -torch.inf),
        )

    def new_caches(self, count: int) -> list[list[BlockCache]]:
        """Empty caches of the three decoders for one chunk of ``count`` images."""
        longest = self.settings.overlap + self.settings.chunk
        decoders: Sequence[Stack] = (self.channel_decoder, self.position_decoder, self.value_decoder)
        return [decoder.new_caches(count, longest) for decoder in decoders]
