"""Trains the toy into the folder named on the command line; started by tests as a process of its own."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from lightning_fabric import Fabric

from bench.contract import Batch, Build, Losses
from bench.core.distributed import comm
from bench.core.progress import silent
from bench.data import frozen
from bench.train.batches import ImageSource
from bench.train.loop import FitPlan, fit
from tests.toys import ToyLearner, ToySettings


class SlowToy(ToyLearner):
    """The toy with a pause in every step, so that there is time to kill it."""

    def loss(self, batch: Batch, step: int) -> Losses:
        time.sleep(0.002)
        return super().loss(batch, step)


def main() -> None:
    steps = int(os.environ.get("TOY_STEPS", "400"))
    fabric = Fabric(accelerator="cpu", devices="auto" if "WORLD_SIZE" in os.environ else 1)
    fabric.launch()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), dtype=np.uint8)
    torch.manual_seed(0)
    learner = SlowToy(ToySettings(), Build((16, 16), 0, fabric.device, comm(fabric)))
    plan = FitPlan(images=8 * steps, seed=3, flip=True, save_every_seconds=0.05)
    folder = Path(sys.argv[1])
    report = fit(learner, ImageSource(frozen.in_memory(pixels)), plan, fabric, folder, silent)
    if fabric.global_rank == 0:
        np.savetxt(folder / "curve.txt", [[point["images"], point["main/mse"]] for point in report.curve])


if __name__ == "__main__":
    main()
