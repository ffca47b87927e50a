"""DCTransformer as a prior: maximum likelihood on chunks, and its likelihood of whole images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.contract import Batch, Codes, Condition, Losses, Phase, Seeds, Sparse
from bench.core import digest, seeding
from bench.core.codes import take
from bench.errors import UsageError
from methods.dct import sampling, tasks
from methods.dct.chunks import Chunk, chunks_of, cut, draw_chunk
from methods.dct.layout import Layout
from methods.dct.model import DctTokenizer
from methods.dct.prior_presets import DCTransformer
from methods.dct.transformer import DCTransformerModel, Logits
from methods.priors import common

if TYPE_CHECKING:
    from bench.contract import Build, Prior, Tokenizer

SLACK = 1.5
"""Samples have at most this many times the triples of the longest training image that was seen."""


class DCTransformerLearner:
    """Trains a :class:`DCTransformerPrior`; each image of a batch contributes one chunk."""

    def __init__(self, settings: DCTransformer, build: Build, tokenizer: Tokenizer, codes: Codes) -> None:
        """``codes`` are some of the training set's; they tell the size and how long a list can be."""
        if not isinstance(tokenizer, DctTokenizer) or not isinstance(codes, Sparse):
            raise UsageError("DCTransformer models the codes of the tokenizer 'dct' alone.")
        self.settings, self.tokenizer_revision = settings, tokenizer.revision
        self.layout = Layout(tokenizer.settings, codes.size)
        longest = math.ceil(SLACK * max((len(t) for t in codes.triples), default=0)) + 1
        self.module: DCTransformerModel = DCTransformerModel(settings, self.layout, longest, tokenizer.revision)
        self.module.to(build.device)
        self.batch = settings.optimisation.batch
        self.averaged = common.averaged(self.module, settings.optimisation)
        self.phases: Sequence[Phase] = common.phases(self.module, settings.optimisation, self.loss, build)

    def loss(self, batch: Batch, step: int) -> Losses:
        """Negative log-likelihood in nats of the drawn chunks, per image and divided by the chunk's full length.

        The divisor does not depend on the batch, so that micro-batches add up to the whole.
        """
        codes = checked_codes(batch.codes, self.layout)
        chunk = self.drawn(codes, batch.seeds)
        factors = negative_log_likelihood(self.module(chunk), chunk)
        total = torch.stack([f.sum() for f in factors]).sum() / (len(codes.triples) * self.settings.chunk)
        triples = chunk.target.sum() * math.log(2)
        names = ("channel", "position", "value")
        parts = {f"{n}-bits-per-triple": f.detach().sum() / triples for n, f in zip(names, factors, strict=True)}
        return Losses(total, parts)

    def drawn(self, codes: Sparse, seeds: Seeds) -> Chunk:
        """One chunk of each image, chosen by its seed."""
        uniform = seeding.uniform(seeds, (), "chunk").tolist()
        length, floor = self.settings.chunk, self.settings.floor
        starts = [
            length * draw_chunk(chunks_of(len(t), length), u, floor)
            for t, u in zip(codes.triples, uniform, strict=True)
        ]
        return cut(codes, starts, self.layout, length, self.settings.overlap, self.module.device)

    def after_step(self, step: int) -> None:
        """Nothing: all state is trained by gradients."""

    def finish(self) -> DCTransformerPrior:
        """The prior; refuses weights that were loaded from another tokenizer's prior."""
        common.check_owner(self.module.owner, self.tokenizer_revision)
        return DCTransformerPrior(self.module.eval(), self.tokenizer_revision)


def negative_log_likelihood(logits: Logits, chunk: Chunk) -> tuple[Tensor, Tensor, Tensor]:
    """Nats of channel, position and value of each token, ``[N, T]``; zero where nothing is predicted.

    The stop token has a channel only.
    """
    channel, position, value = chunk.tokens.unbind(2)
    whole = chunk.target & (channel < logits.channel.shape[2] - 1)
    return (
        _entropy(logits.channel, channel, chunk.target),
        _entropy(logits.position, position, whole),
        _entropy(logits.value, value, whole),
    )


def _entropy(logits: Tensor, index: Tensor, counts: Tensor) -> Tensor:
    """Cross-entropy where ``counts``, zero elsewhere (there the index may be impossible)."""
    ignored = torch.where(counts, index, -100)
    return F.cross_entropy(logits.transpose(1, 2), ignored, reduction="none", ignore_index=-100)


def checked_codes(codes: Codes | None, layout: Layout) -> Sparse:
    """The codes, made sure to be lists in this layout."""
    if not isinstance(codes, Sparse) or codes.shape != layout.shape or codes.size != layout.size:
        raise UsageError(f"This DCTransformer models images of {layout.size} and vocabularies {layout.shape} alone.")
    return codes


class DCTransformerPrior:
    """Samples lists of coefficients, and says how probable lists are."""

    def __init__(self, module: DCTransformerModel, tokenizer_revision: str) -> None:
        self.module, self.tokenizer_revision = module, tokenizer_revision
        self.layout = module.layout
        self.revision = digest.of_weights(module.state_dict(), module.settings)

    @torch.no_grad()
    def sample(self, seeds: Seeds, condition: Condition | None = None) -> Codes:
        """Triples of one image per seed, chunk by chunk, after those that the condition gives."""
        begun, first = tasks.beginnings(condition, self.layout, len(seeds))
        return sampling.sample(self.module, common.generators(seeds), begun, first)

    @torch.no_grad()
    def bits(self, codes: Codes) -> np.ndarray:
        """-log2 of the probability of each image's codes, float64 ``[N]``: every chunk given all before it."""
        known = checked_codes(codes, self.layout)
        settings, total = self.module.settings, np.zeros(len(known.triples))
        counts = [chunks_of(len(t), settings.chunk) for t in known.triples]
        for number in range(max(counts, default=0)):
            rows = [i for i, count in enumerate(counts) if count > number]
            part = checked_codes(take(known, rows), self.layout)
            starts = [number * settings.chunk] * len(rows)
            chunk = cut(part, starts, self.layout, settings.chunk, settings.overlap, self.module.device)
            factors = negative_log_likelihood(self.module(chunk), chunk)
            total[rows] += torch.stack([f.double().sum(1) for f in factors]).sum(0).cpu().numpy() / math.log(2)
        return total


def likelihood(prior: Prior, codes: Codes) -> np.ndarray:
    """:meth:`DCTransformerPrior.bits`, for the harness."""
    if not isinstance(prior, DCTransformerPrior):
        raise UsageError("Only a DCTransformer says how probable DCT codes are.")
    return prior.bits(codes)
