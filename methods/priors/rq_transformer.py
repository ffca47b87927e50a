"""RQ-Transformer over the stacked codes of a residual quantiser (Lee et al. 2022): training and sampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.contract import Batch, Codes, Indices, Losses, Phase, Seeds
from bench.core import seeding
from bench.core.codes import places
from bench.errors import UsageError
from methods.priors import common
from methods.priors import labels as labelling
from methods.priors.drawn import DrawnPrior
from methods.priors.rq_model import RQModel
from methods.priors.settings import RQTransformer

if TYPE_CHECKING:
    from bench.contract import Build, Tokenizer


class RQTransformerLearner:
    """Trains an :class:`DrawnPrior` with soft targets and stochastic codes (section 3.2.3).

    The paper takes both from the residuals of the encoder's output. Cached codes hold no more than the indices, so
    the encoder's output is taken to be the sum of its code vectors; what is lost is the last residual.
    """

    def __init__(
        self, settings: RQTransformer, build: Build, tokenizer: Tokenizer, codes: Codes, codebook: Tensor
    ) -> None:
        """``codes`` tell shape and levels; ``codebook``, float ``[vocab, channels]``, is shared by all depths."""
        self.settings, self.tokenizer_revision = settings, tokenizer.revision
        example = _stacked(codes)
        if set(example.levels) != {len(codebook)}:
            raise UsageError(f"The codes have the levels {example.levels} but the codebook {len(codebook)} vectors.")
        self.none = replace(example, tensor=example.tensor[:0])
        size = (places(example), len(example.levels))
        self.module: RQModel = RQModel(settings, size, codebook, tokenizer.revision).to(build.device)
        self.batch = settings.optimisation.batch
        self.averaged = common.averaged(self.module, settings.optimisation)
        self.phases: Sequence[Phase] = common.phases(self.module, settings.optimisation, self.loss, build)

    def loss(self, batch: Batch, step: int) -> Losses:
        """Mean cross-entropy per code, in nats, towards soft targets where the settings say so."""
        codes = _stacked(batch.codes).tensor.flatten(1, -2)
        labels = labelling.training_labels(batch, labelling.classes(self.settings))
        temperature = self.settings.soft_temperature
        if temperature is None:
            logs = self.module(codes, labels).float().log_softmax(-1)
            entropy = -logs.gather(-1, codes[..., None]).mean()
        else:
            codes, targets = soften(codes, self.module.codebook, temperature, batch.seeds)
            logs = self.module(codes, labels).float().log_softmax(-1)
            entropy = -(targets * logs).sum(-1).mean()
        return Losses(entropy, {"bits-per-code": entropy.detach() / math.log(2)})

    def after_step(self, step: int) -> None:
        """Nothing: all state is trained by gradients."""

    def finish(self) -> DrawnPrior:
        """The prior; refuses weights that were loaded from another tokenizer's prior."""
        common.check_owner(self.module.owner, self.tokenizer_revision)
        return DrawnPrior(self.module.eval(), self.settings, self.none, self.tokenizer_revision)


def soft_targets(residual: Tensor, codebook: Tensor, temperature: float) -> Tensor:
    """Q(k | r), proportional to exp(-|r - e(k)|^2 / temperature) (equation 16): ``[..., C]`` to ``[..., vocab]``.

    In float32 under autocast as well: the distance is a small difference of large products.
    """
    with torch.autocast(residual.device.type, enabled=False):
        distance = residual.square().sum(-1, keepdim=True) - 2 * residual @ codebook.T + codebook.square().sum(1)
        return (-distance / temperature).softmax(-1)


def soften(codes: Tensor, codebook: Tensor, temperature: float, seeds: Seeds) -> tuple[Tensor, Tensor]:
    """Stochastic codes ``[N, T, D]`` and the soft targets ``[N, T, D, vocab]`` they were drawn from.

    Depth by depth, a code is drawn from Q(. | residual) and its vector taken off the residual.
    """
    residual = codebook[codes].sum(2)
    uniform = seeding.uniform(seeds, tuple(codes.shape[1:]), "stochastic-codes", codes.device)
    drawn, targets = [], []
    for depth in range(codes.shape[2]):
        probability = soft_targets(residual, codebook, temperature)
        index = (probability.cumsum(-1) < uniform[:, :, depth, None]).sum(-1).clamp(max=len(codebook) - 1)
        residual = residual - codebook[index]
        drawn.append(index)
        targets.append(probability)
    return torch.stack(drawn, 2), torch.stack(targets, 2)


def _stacked(codes: Codes | None) -> Indices:
    if not isinstance(codes, Indices):
        raise UsageError("An RQ-Transformer needs stacked index codes [N, h, w, depth]; this tokenizer gives others.")
    places(codes)
    return codes
