"""The prior of index codes that are drawn one after the other, whatever network gives their probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from bench.contract import Codes, Condition, Indices, Seeds
from bench.core import digest
from methods.priors import common
from methods.priors import labels as labelling
from methods.priors.settings import GPT, Choice, RQTransformer, choice


class Generator(Protocol):
    """A network that draws: int64 ``[N, ...]``, the symbols of an image's codes in their order, one generator each."""

    owner: Tensor

    def generate(self, choice: Choice, labels: Tensor | None, generators: list[torch.Generator]) -> Tensor: ...

    def state_dict(self) -> Mapping[str, Any]: ...


class DrawnPrior:
    """Samples index codes."""

    def __init__(
        self, module: Generator, settings: GPT | RQTransformer, none: Indices, tokenizer_revision: str
    ) -> None:
        """``none`` are codes of no images: the shape and levels of the samples."""
        self.module, self.settings, self.none, self.tokenizer_revision = module, settings, none, tokenizer_revision
        self.revision = digest.of_weights(module.state_dict(), settings)

    @torch.no_grad()
    def sample(self, seeds: Seeds, condition: Condition | None = None) -> Codes:
        """Codes of the tokenizer's shape and levels."""
        labels = labelling.sampling_labels(condition, labelling.classes(self.settings), seeds, self.module.owner.device)
        drawn = self.module.generate(choice(self.settings), labels, common.generators(seeds))
        return replace(self.none, tensor=drawn.reshape(len(seeds), *self.none.tensor.shape[1:]))
