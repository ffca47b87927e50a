"""Every tokenizer and prior of ``paper`` at its published width and 256 px on the CPU: two steps, one round trip.

    python -m tests.rehearsal.full_width [ID ...]     # without an ID: all; prints one row of a table per case
    python -m tests.rehearsal.full_width --measure ID # one case in this process, as JSON

All phases are on: the steps are counted from the first at which every phase has started and all coincide. Images come
one at a time, the batch of a step is one image. Pretrained networks are stand-ins with random weights.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from math import lcm
from pathlib import Path
from typing import Any

import torch

from bench.contract import Batch, Codes, Learner, Tokenizer
from bench.core import seeding
from bench.core.distributed import Alone
from bench.core.registry import method_of
from bench.data import frozen
from bench.pretrained.stand_ins import stand_in
from bench.run.presets import PRESETS
from bench.train.ema import MovingAverage
from bench.train.phases import OptimizerSteps
from tests.rehearsal.running import build, fabric, photographs
from tests.rehearsal.shrink import Case, PriorCase, priors, tokenizers

PRESET = "paper"
SIDE = PRESETS[PRESET].resolution
STEPS = 2
ROOT = Path(__file__).parents[2]

CASES: dict[str, Case | PriorCase] = {
    **{f"{case.id}-tokenizer": case for case in tokenizers() if case.preset == PRESET},
    **{f"{case.id}-prior": case for case in priors() if case.tokenizer.preset == PRESET},
}
HEADER = "| case | parameters trained | seconds per step | encode, decode | peak memory |\n|---|---|---|---|---|"


def first_step(learner: Learner) -> int:
    """The first step at which every phase has started and is due."""
    together = lcm(*(phase.every for phase in learner.phases))
    return -(-max(phase.start for phase in learner.phases) // together) * together


def two_steps(learner: Learner, batch: Batch) -> list[float]:
    """Seconds of each of two steps that take every phase, the moving average included."""
    average = MovingAverage(learner.averaged) if learner.averaged else None
    first, seconds = first_step(learner), []
    optimizers = OptimizerSteps(learner.phases, 10**9, fabric(PRESET), Alone())
    for step in range(first, first + STEPS):
        start = time.perf_counter()
        due = optimizers.due(step) if step > first else list(learner.phases)
        for phase in due:
            for name, value in optimizers.run(phase, batch, step, 1).items():
                assert torch.isfinite(value), name
        learner.after_step(step)
        if average:
            average.update((step + 1) * learner.batch, learner.batch)
        seconds.append(time.perf_counter() - start)
    return seconds


def round_trip(tokenizer: Tokenizer, pixels: torch.Tensor) -> tuple[float, Codes]:
    """Seconds to encode and decode one image, and its codes."""
    start = time.perf_counter()
    codes = tokenizer.encode(pixels)
    decoded = tokenizer.decode(codes)
    assert decoded.shape == pixels.shape
    assert torch.isfinite(decoded).all()
    return time.perf_counter() - start, codes


def tokenizer_of(case: Case, vgg16: Path) -> Tokenizer:
    """The method's default tokenizer at full width, without its losses' networks."""
    made = build(SIDE, vgg16)
    if method_of(case.entry).learner is None:
        return method_of(case.entry).tokenizer(case.published, made)
    return method_of(case.entry).learner(case.published, made).finish()


def measure(name: str) -> dict[str, Any]:
    """Runs one case in this process."""
    case = CASES[name]
    pixels = torch.from_numpy(frozen.first(photographs(SIDE), 1).pixels.copy())
    with tempfile.TemporaryDirectory() as folder:
        vgg16 = stand_in("vgg16", Path(folder))
        if isinstance(case, Case):
            learner: Learner = method_of(case.entry).learner(case.published, build(SIDE, vgg16))
            seconds = two_steps(learner, Batch(seeding.step_seeds(0, 0, 1), images=pixels))
            trip, _ = round_trip(learner.finish(), pixels)  # type: ignore[arg-type]
        else:
            tokenizer = tokenizer_of(case.tokenizer, vgg16)
            trip, codes = round_trip(tokenizer, pixels)
            entry, made = case.tokenizer.entry, build(SIDE, vgg16)
            learner = method_of(entry).prior.learner(case.published, made, tokenizer, codes)
            seconds = two_steps(learner, Batch(seeding.step_seeds(0, 0, 1), codes=codes))
    trained = {id(p): p.numel() for phase in learner.phases for p in phase.parameters}
    return {
        "parameters": sum(trained.values()),
        "seconds": seconds,
        "round_trip": trip,
        "gibibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def measured(name: str) -> dict[str, Any]:
    """The same in a process of its own, whose peak memory is the case's alone."""
    command = [sys.executable, "-m", "tests.rehearsal.full_width", "--measure", name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, found: dict[str, Any]) -> str:
    """A row under :data:`HEADER`."""
    seconds = " and ".join(f"{value:.1f}" for value in found["seconds"])
    size = f"{found['parameters'] / 1e6:.1f} M"
    return f"| `{name}` | {size} | {seconds} | {found['round_trip']:.1f} s | {found['gibibytes']:.1f} GiB |"


def main(arguments: list[str]) -> None:
    """Measures the named cases, or all."""
    if arguments[:1] == ["--measure"]:
        print(json.dumps(measure(arguments[1])))
        return
    print(HEADER)
    for name in arguments or CASES:
        print(row(name, measured(name)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
