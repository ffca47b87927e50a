"""Diffusion over the vectors of index codes: the samples are quantised to the nearest codes.

Latent diffusion models the encoder's output before quantisation. What is cached here are the indices, so the model
sees the code vectors; the rounding that separates the two is undone by the quantiser either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch

from bench.contract import Batch, Codes, Condition, Continuous, Indices, Losses, Phase, Seeds
from bench.core import digest
from bench.errors import UsageError
from methods.priors.diffusion import DiffusionLearner, DiffusionPrior
from methods.priors.settings import Diffusion

if TYPE_CHECKING:
    from torch import Tensor

    from bench.contract import Build


class EmbeddingTokenizer(Protocol):
    """A tokenizer whose indices stand for vectors."""

    @property
    def revision(self) -> str: ...

    def encode(self, images: Tensor) -> Codes: ...

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor: ...

    def embed(self, codes: Indices) -> Tensor:
        """Code vectors float ``[N, D, h, w]``."""
        ...

    def nearest(self, latents: Tensor) -> Indices:
        """The codes whose vectors are nearest to ``[N, D, h, w]``."""
        ...


class EmbeddedDiffusionLearner:
    """Trains a :class:`EmbeddedDiffusionPrior`."""

    def __init__(self, settings: Diffusion, build: Build, tokenizer: EmbeddingTokenizer, codes: Codes) -> None:
        """``codes`` are some of the training set's; the statistics of their vectors scale all of them."""
        self.tokenizer, self.device = tokenizer, build.device
        self.inner = DiffusionLearner(settings, build, tokenizer, self.vectors(codes))
        self.module, self.averaged, self.batch = self.inner.module, self.inner.averaged, self.inner.batch
        self.phases: Sequence[Phase] = tuple(replace(phase, loss=self.loss) for phase in self.inner.phases)

    def vectors(self, codes: Codes | None) -> Continuous:
        """The code vectors of index codes."""
        if not isinstance(codes, Indices):
            raise UsageError("This diffusion prior needs index codes with vectors; this tokenizer gives others.")
        return Continuous(self.tokenizer.embed(replace(codes, tensor=codes.tensor.to(self.device))))

    def loss(self, batch: Batch, step: int) -> Losses:
        """The loss of :class:`~.diffusion.DiffusionLearner` on the code vectors."""
        return self.inner.loss(replace(batch, codes=self.vectors(batch.codes)), step)

    def after_step(self, step: int) -> None:
        """Nothing: all state is trained by gradients."""

    def finish(self) -> EmbeddedDiffusionPrior:
        """The prior; refuses weights that were loaded from another tokenizer's prior."""
        return EmbeddedDiffusionPrior(self.inner.finish(), self.tokenizer)


class EmbeddedDiffusionPrior:
    """Samples vectors and gives the nearest codes."""

    def __init__(self, inner: DiffusionPrior, tokenizer: EmbeddingTokenizer) -> None:
        self.inner, self.tokenizer = inner, tokenizer
        self.tokenizer_revision = inner.tokenizer_revision
        self.revision = digest.of_value(["nearest codes", inner.revision])

    @torch.no_grad()
    def sample(self, seeds: Seeds, condition: Condition | None = None) -> Codes:
        """Codes int64 ``[N, h, w, 1]``."""
        vectors = self.inner.sample(seeds, condition)
        assert isinstance(vectors, Continuous)
        return self.tokenizer.nearest(vectors.tensor)
