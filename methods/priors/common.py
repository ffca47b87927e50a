"""What the priors have in common: whom they belong to, how they are optimised, their noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bench.contract import Averaged, Phase, Seeds
from bench.core import digest, seeding
from bench.errors import IntegrityError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from bench.contract import Batch, Build, Losses
    from methods.priors.settings import Optimisation


def owner(tokenizer_revision: str) -> Tensor:
    """A tokenizer's revision as a buffer, uint8 ``[32]``: a prior's checkpoint carries whose codes it knows."""
    import torch

    return torch.frombuffer(bytearray.fromhex(digest.of_bytes(tokenizer_revision.encode())), dtype=torch.uint8)


def check_owner(buffer: Tensor, tokenizer_revision: str) -> None:
    """Raises :class:`IntegrityError` when loaded weights were trained on another tokenizer's codes."""
    if buffer.cpu().tolist() != owner(tokenizer_revision).tolist():
        raise IntegrityError(
            f"These weights of a prior were trained for another tokenizer than the one of revision "
            f"{tokenizer_revision[:12]}; train the prior again with --overwrite."
        )


def optimizer(module: nn.Module, settings: Optimisation) -> torch.optim.Optimizer:
    """Adam, or AdamW that decays the matrices of linear and convolutional layers but no embedding, bias or norm."""
    import torch
    from torch import nn

    if not settings.weight_decay:
        return torch.optim.Adam(module.parameters(), lr=settings.rate, betas=settings.betas)
    layers = [m for m in module.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    decayed = {id(m.weight) for m in layers}
    groups = [
        {"params": [p for p in module.parameters() if id(p) in decayed], "weight_decay": settings.weight_decay},
        {"params": [p for p in module.parameters() if id(p) not in decayed], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.rate, betas=settings.betas)


def rate_schedule(settings: Optimisation) -> Callable[[int, int], float]:
    """Linear warm-up over ``warm_up`` steps, at most a twentieth of the run; then constant or half a cosine to zero."""

    def schedule(step: int, steps: int) -> float:
        warm_up = min(settings.warm_up, steps // 20)
        if step < warm_up:
            return (step + 1) / warm_up
        if not settings.cosine:
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(steps - warm_up, 1)))

    return schedule


def phases(
    module: nn.Module, settings: Optimisation, loss: Callable[[Batch, int], Losses], build: Build
) -> Sequence[Phase]:
    """The one phase of a prior's training; none where the prior is built without training."""
    if not build.training:
        return ()
    one = Phase(
        name="prior",
        optimizer=optimizer(module, settings),
        parameters=tuple(module.parameters()),
        loss=loss,
        schedule=rate_schedule(settings),
        clip=settings.clip,
    )
    return (one,)


def averaged(module: nn.Module, settings: Optimisation) -> Averaged | None:
    """The moving average of ``module`` that the settings ask for."""
    return Averaged(module, settings.half_life) if settings.half_life else None


def generators(seeds: Seeds) -> list[torch.Generator]:
    """One CPU generator per seed, from which its sample takes all of its noise in order."""
    return [seeding.generator(seed, "prior") for seed in seeds]
