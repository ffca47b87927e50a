"""The RQ-Transformer's network (Lee et al. 2022, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.priors import common
from methods.priors import labels as labelling
from methods.priors.choosing import draw
from methods.priors.settings import Choice, RQTransformer
from methods.priors.transformer import Transformer, initialise


class RQModel(nn.Module):
    """Codes ``[N, T, D]`` to logits ``[N, T, D, vocab]``, in the order position by position, depth by depth.

    The spatial transformer reads, at position t, the sum of the D code vectors at t - 1 (equation 12; at the first
    position a learned vector, or that of the class). The depth transformer reads, at depth d, the spatial
    transformer's output for d = 1 and the sum of the first d - 1 code vectors otherwise (equation 14).
    """

    def __init__(
        self, settings: RQTransformer, shape: tuple[int, int], codebook: Tensor, tokenizer_revision: str
    ) -> None:
        """``shape`` is (positions, depth); ``codebook`` float ``[vocab, channels]`` is the tokenizer's, kept fixed."""
        super().__init__()
        (self.positions_count, self.depth), width = shape, settings.width
        self.classes = labelling.classes(settings)
        self.register_buffer("codebook", codebook.detach().clone().float())
        self.codebook: Tensor
        self.body_input = nn.Linear(codebook.shape[1], width)
        self.head_input = nn.Linear(codebook.shape[1], width)
        self.start = nn.Embedding(settings.classes + 1, width)
        self.positions = nn.Embedding(self.positions_count, width)
        self.depths = nn.Embedding(self.depth, width)
        self.body = Transformer(settings.body_layers, width, settings.heads, settings.dropout)
        self.head = Transformer(settings.head_layers, width, settings.heads, settings.dropout)
        self.dropout = nn.Dropout(settings.dropout)
        self.logits = nn.Linear(width, len(codebook))
        initialise(self)
        self.register_buffer("owner", common.owner(tokenizer_revision))
        self.owner: Tensor

    def forward(self, codes: Tensor, labels: Tensor | None) -> Tensor:
        """Logits of all codes from those before each: int64 ``[N, T, D]`` to ``[N, T, D, vocab]``."""
        count, length, _ = codes.shape
        sums = self.codebook[codes].cumsum(2)
        before = torch.cat([self.first(labels, count), self.body_input(sums[:, :-1, -1])], 1)
        context = self.body(self.dropout(before + self.positions.weight[:length]))
        deep = torch.cat([context[:, :, None], self.head_input(sums[:, :, :-1])], 2) + self.depths.weight
        return self.logits(self.head(self.dropout(deep).flatten(0, 1))).unflatten(0, (count, length))

    def first(self, labels: Tensor | None, count: int) -> Tensor:
        """What the spatial transformer reads at the first position, ``[N, 1, width]``."""
        device = self.start.weight.device
        labels = torch.zeros(count, dtype=torch.long, device=device) if labels is None else labels
        return self.start(labels)[:, None]

    def generate(self, choice: Choice, labels: Tensor | None, generators: list[torch.Generator]) -> Tensor:
        """Draws codes int64 ``[N, T, D]``, one image per generator, with caches of keys and values."""
        guidance = labelling.guidance(self.classes)
        rows = len(generators) * guidance.copies
        caches = self.body.new_caches(rows, self.positions_count)
        inputs = self.first(guidance.rows(labels), rows)
        drawn = []
        for position in range(self.positions_count):
            context = self.body(inputs + self.positions.weight[position], caches)
            drawn.append(self._generate_depths(context, choice, guidance, generators))
            total = self.codebook[drawn[-1]].sum(1).repeat(guidance.copies, 1)
            inputs = self.body_input(total)[:, None]
        return torch.stack(drawn, 1)

    def _generate_depths(
        self, context: Tensor, choice: Choice, guidance: labelling.Guidance, generators: list[torch.Generator]
    ) -> Tensor:
        """The codes ``[N, D]`` of one position, given its context ``[rows, 1, width]``."""
        caches = self.head.new_caches(len(context), self.depth)
        inputs, total, drawn = context, torch.zeros((), device=context.device), []
        for depth in range(self.depth):
            hidden = self.head(inputs + self.depths.weight[depth], caches)
            drawn.append(draw(guidance.merged(self.logits(hidden)[:, 0]), choice, generators))
            total = total + self.codebook[drawn[-1]]
            inputs = self.head_input(total.repeat(guidance.copies, 1))[:, None]
        return torch.stack(drawn, 1)
