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
from methods.priors import common
from methods.priors import labels as labelling
from methods.priors.choosing import draw
from methods.priors.drawn import DrawnPrior
from methods.priors.settings import GPT, Choice
from methods.priors.transformer import Transformer, initialise

if TYPE_CHECKING:
    from bench.contract import Build, Tokenizer


class GPTModel(nn.Module):
    """Symbols ``[N, T]`` to logits ``[N, T, vocab]``, each position seeing the ones before it and the class.

    The sequence begins with the embedding of the class, or of "no class".
    """

    def __init__(self, settings: GPT, length: int, vocab: int, tokenizer_revision: str) -> None:
        super().__init__()
        width = settings.width
        self.length, self.vocab, self.classes = length, vocab, labelling.classes(settings)
        self.codes = nn.Embedding(vocab, width)
        self.start = nn.Embedding(settings.classes + 1, width)
        self.positions = nn.Embedding(length, width)
        self.body = Transformer(settings.layers, width, settings.heads, settings.dropout)
        self.dropout = nn.Dropout(settings.dropout)
        self.logits = nn.Linear(width, vocab, bias=False)
        initialise(self)
        self.register_buffer("owner", common.owner(tokenizer_revision))
        self.owner: Tensor

    def forward(self, codes: Tensor, labels: Tensor | None) -> Tensor:
        """Logits of all positions from the codes before each: int64 ``[N, T]`` to ``[N, T, vocab]``."""
        before = torch.cat([self.first(labels, len(codes)), self.codes(codes[:, :-1])], 1)
        return self.logits(self.body(self.dropout(before + self.positions.weight[: codes.shape[1]])))

    def first(self, labels: Tensor | None, count: int) -> Tensor:
        """The embedding ``[N, 1, width]`` that the sequences begin with."""
        device = self.start.weight.device
        labels = torch.zeros(count, dtype=torch.long, device=device) if labels is None else labels
        return self.start(labels)[:, None]

    def generate(self, choice: Choice, labels: Tensor | None, generators: list[torch.Generator]) -> Tensor:
        """Draws codes int64 ``[N, length]``, one sequence per generator, with a cache of keys and values."""
        count = len(generators)
        guidance = labelling.guidance(self.classes)
        labels = guidance.rows(labels)
        caches = self.body.new_caches(count * guidance.copies, self.length)
        inputs = self.first(labels, count * guidance.copies)
        drawn = []
        for position in range(self.length):
            hidden = self.body(inputs + self.positions.weight[position], caches)
            logits = guidance.merged(self.logits(hidden)[:, 0])
            drawn.append(draw(logits, choice, generators))
            inputs = self.codes(drawn[-1].repeat(guidance.copies))[:, None]
        return torch.stack(drawn, 1)


class GPTLearner:
    """Trains a :class:`DrawnPrior` by maximum likelihood."""

    def __init__(self, settings: GPT, build: Build, tokenizer: Tokenizer, codes: Codes) -> None:
        """``codes`` are some of the training set's; they tell shape and levels."""
        self.settings, self.tokenizer_revision = settings, tokenizer.revision
        example = _indices(codes)
        self.none = replace(example, tensor=example.tensor[:0])
        length = math.prod(example.tensor.shape[1:])
        model = GPTModel(settings, length, example.levels[0], tokenizer.revision)
        self.module: GPTModel = model.to(build.device)
        self.batch = settings.optimisation.batch
        self.averaged = common.averaged(self.module, settings.optimisation)
        self.phases: Sequence[Phase] = common.phases(self.module, settings.optimisation, self.loss, build)

    def loss(self, batch: Batch, step: int) -> Losses:
        """Mean cross-entropy per code, in nats."""
        codes = _indices(batch.codes).tensor.flatten(1)
        logits = self.module(codes, labelling.training_labels(batch, labelling.classes(self.settings)))
        entropy = F.cross_entropy(logits.flatten(0, 1).float(), codes.flatten())
        return Losses(entropy, {"bits-per-code": entropy.detach() / math.log(2)})

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
    if len(set(codes.levels)) != 1:
        raise UsageError(f"A GPT prior needs symbols of equal levels, not {codes.levels}; choose another prior.")
    places(codes)
    return codes
