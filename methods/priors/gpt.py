"""GPT over index codes in raster order: how VQGAN's codes are modelled (Esser et al. 2021, section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contract import Batch, Codes, Indices, Losses, Phase
from bench.core.codes import places
from bench.errors import UsageError
from methods.priors import common, packing
from methods.priors import labels as labelling
from methods.priors.choosing import draw
from methods.priors.drawn import DrawnPrior
from methods.priors.packing import Packs
from methods.priors.settings import GPT, Choice
from methods.priors.transformer import Transformer, initialise

if TYPE_CHECKING:
    from bench.contract import Build, Tokenizer


class GPTModel(nn.Module):
    """Packed symbols ``[N, T]`` to logits ``[N, T, vocab]``, each position seeing the ones before it and the class.

    The sequence begins with the embedding of the class, or of "no class". ``cells`` are those of an image, each with
    one position per pack of ``packs``.
    """

    def __init__(self, settings: GPT, cells: int, packs: Packs, tokenizer_revision: str) -> None:
        super().__init__()
        width, sizes = settings.width, packing.sizes(packs)
        self.packs, self.length, self.classes = packs, cells * len(packs), labelling.classes(settings)
        vocab, length = max(sizes), self.length
        self.codes = nn.Embedding(vocab, width)
        self.start = nn.Embedding(settings.classes + 1, width)
        self.positions = nn.Embedding(length, width)
        self.body = Transformer(settings.layers, width, settings.heads, settings.dropout)
        self.dropout = nn.Dropout(settings.dropout)
        self.logits = nn.Linear(width, vocab, bias=False)
        initialise(self)
        self.register_buffer("owner", common.owner(tokenizer_revision))
        absent = torch.arange(vocab, device="cpu") >= torch.tensor(sizes, device="cpu")[:, None]
        self.register_buffer("absent", absent, persistent=False)
        self.owner: Tensor
        self.absent: Tensor

    def masked(self, logits: Tensor, positions: Tensor) -> Tensor:
        """Logits ``[N, T, vocab]`` of the positions ``[T]``; minus infinity for values that the pack there lacks."""
        if len(set(packing.sizes(self.packs))) == 1:
            return logits
        return logits.masked_fill(self.absent[positions % len(self.packs)], -torch.inf)

    def forward(self, codes: Tensor, labels: Tensor | None) -> Tensor:
        """Logits of all positions from the codes before each: int64 ``[N, T]`` to ``[N, T, vocab]``."""
        before = torch.cat([self.first(labels, len(codes)), self.codes(codes[:, :-1])], 1)
        hidden = self.body(self.dropout(before + self.positions.weight[: codes.shape[1]]))
        return self.masked(self.logits(hidden), torch.arange(codes.shape[1], device=codes.device))

    def first(self, labels: Tensor | None, count: int) -> Tensor:
        """The embedding ``[N, 1, width]`` that the sequences begin with."""
        device = self.start.weight.device
        labels = torch.zeros(count, dtype=torch.long, device=device) if labels is None else labels
        return self.start(labels)[:, None]

    def generate(self, choice: Choice, labels: Tensor | None, generators: list[torch.Generator]) -> Tensor:
        """Draws symbols int64 ``[N, cells, symbols of a cell]``, an image per generator; keys and values are cached."""
        count = len(generators)
        guidance = labelling.guidance(self.classes)
        labels = guidance.rows(labels)
        caches = self.body.new_caches(count * guidance.copies, self.length)
        inputs = self.first(labels, count * guidance.copies)
        drawn = []
        for position in range(self.length):
            hidden = self.body(inputs + self.positions.weight[position], caches)
            here = torch.tensor([position], device=hidden.device)
            logits = self.masked(guidance.merged(self.logits(hidden)), here)[:, 0]
            drawn.append(draw(logits, choice, generators))
            inputs = self.codes(drawn[-1].repeat(guidance.copies))[:, None]
        return packing.unpack(torch.stack(drawn, 1).unflatten(1, (-1, len(self.packs))), self.packs)


class GPTLearner:
    """Trains a :class:`DrawnPrior` by maximum likelihood."""

    def __init__(self, settings: GPT, build: Build, tokenizer: Tokenizer, codes: Codes) -> None:
        """``codes`` are some of the training set's; they tell shape and levels."""
        self.settings, self.tokenizer_revision = settings, tokenizer.revision
        example = _indices(codes)
        self.none = replace(example, tensor=example.tensor[:0])
        model = GPTModel(settings, places(example), packing.packs(example.levels), tokenizer.revision)
        self.module: GPTModel = model.to(build.device)
        self.batch = settings.optimisation.batch
        self.averaged = common.averaged(self.module, settings.optimisation)
        self.phases: Sequence[Phase] = common.phases(self.module, settings.optimisation, self.loss, build)

    def loss(self, batch: Batch, step: int) -> Losses:
        """Mean cross-entropy per packed symbol, in nats; ``bits-per-code`` is of a whole cell, whatever was packed."""
        codes = packing.pack(_indices(batch.codes).tensor, self.module.packs).flatten(1)
        logits = self.module(codes, labelling.training_labels(batch, labelling.classes(self.settings)))
        entropy = F.cross_entropy(logits.flatten(0, 1).float(), codes.flatten())
        return Losses(entropy, {"bits-per-code": len(self.module.packs) * entropy.detach() / math.log(2)})

    def after_step(self, step: int) -> None:
        """Nothing: all state is trained by gradients."""

    def finish(self) -> DrawnPrior:
        """The prior; refuses weights that were loaded from another tokenizer's prior."""
        common.check_owner(self.module.owner, self.tokenizer_revision)
        return DrawnPrior(self.module.eval(), self.settings, self.none, self.tokenizer_revision)


def _indices(codes: Codes | None) -> Indices:
    """The codes, whose symbols are modelled one after the other: all of a cell, then those of the next."""
    if not isinstance(codes, Indices):
        raise UsageError("A GPT prior needs index codes; this tokenizer gives others.")
    places(codes)
    return codes
