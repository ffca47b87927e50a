"""Drawing the next index from logits so that it depends on the seed alone."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.priors.settings import Choice


def filtered(logits: Tensor, choice: Choice) -> Tensor:
    """Logits ``[N, K]`` over the temperature, with minus infinity where top-k or top-p leaves an index out.

    Top-k keeps the k likeliest indices (Fan et al. 2018). Top-p keeps the smallest set of the likeliest whose
    probability reaches p, at least one (Holtzman et al. 2020); it is taken within what top-k has left.
    """
    logits = logits.float() / choice.temperature
    if choice.top_k is not None and choice.top_k < logits.shape[1]:
        least = logits.topk(choice.top_k, dim=1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if choice.top_p < 1:
        ordered, order = logits.sort(dim=1, descending=True)
        probability = ordered.softmax(1)
        before = probability.cumsum(1) - probability
        logits = logits.masked_fill(
            torch.zeros_like(before, dtype=torch.bool).scatter(1, order, before >= choice.top_p), -torch.inf
        )
    return logits


def draw(logits: Tensor, choice: Choice, generators: list[torch.Generator]) -> Tensor:
    """One index per row, int64 ``[N]``; row i takes its K numbers from ``generators[i]``.

    Gumbel-max rather than the inverse of the cumulative probability: the result changes only where the two best
    indices are as close as the rounding errors of the logits, which other batch sizes change.
    """
    kept = filtered(logits, choice)
    uniform = torch.stack([torch.rand(kept.shape[1], generator=g) for g in generators]).to(kept.device)
    gumbel = -torch.log(-torch.log(uniform.clamp(min=1e-20)))
    return (kept + gumbel).argmax(1)
