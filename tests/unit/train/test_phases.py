"""One optimiser's turn: the learning rate is scheduled, the gradient clipped, micro-batches add up."""

from __future__ import annotations

import pytest
import torch
from lightning_fabric import Fabric

from bench.contract import Batch, Losses, Phase
from bench.core.distributed import Alone
from bench.train.phases import OptimizerSteps

SLOPE = torch.tensor([3.0, 4.0])


@pytest.mark.parametrize("micro_batch", [1, 4])
@pytest.mark.parametrize(("clip", "length"), [(None, 5.0), (10.0, 5.0), (0.5, 0.5)])
def test_the_rate_is_scheduled_and_the_gradient_clipped(micro_batch: int, clip: float | None, length: float) -> None:
    weight = torch.nn.Parameter(torch.zeros(2))

    def loss(batch: Batch, step: int) -> Losses:
        return Losses((weight * SLOPE).sum(), {"part": torch.tensor(2.0)})

    phase = Phase(
        "main", torch.optim.SGD([weight], lr=0.1), [weight], loss, schedule=lambda step, steps: step / steps, clip=clip
    )
    optimizers = OptimizerSteps([phase], 8, Fabric(accelerator="cpu", devices=1), Alone())
    images = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)
    for step in (2, 4):
        before = weight.detach().clone()
        losses = optimizers.run(phase, Batch(range(4), images), step, micro_batch)
        torch.testing.assert_close(before - weight.detach(), 0.1 * step / 8 * length * SLOPE / 5)
        assert losses["main/part"] == 2
