"""Sampling: the harness against the bare scheduler loop, and cached against uncached autoregression.

    python tests/benchmarks/sampling.py [--threads 2] [--repeats 5]

Prints medians and ratios: diffusion through the harness should cost at most 1.03 times the bare loop of a U-Net and a
diffusers scheduler; the GPT at 256 tokens and width 256 should be at least 5 times faster with its cache; the ratio of
the RQ-Transformer (8x8x4) is printed. The runs take turns, so that whatever else the machine does meets both.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from bench.contract import Build, Continuous, Indices
from bench.core.distributed import Alone
from methods.priors import common, samplers
from methods.priors.choosing import draw
from methods.priors.diffusion import DiffusionLearner, DiffusionPrior
from methods.priors.drawn import DrawnPrior
from methods.priors.gpt import GPTLearner
from methods.priors.rq_transformer import RQTransformerLearner
from methods.priors.settings import GPT, Diffusion, Optimisation, RQTransformer, UNetShape, choice

PLAN = Optimisation(batch=8, rate=1e-3)
BUILD = Build((64, 64), 0, torch.device("cpu"), Alone())
UNET = UNetShape((32, 64, 96), (False, False, True), layers=1, groups=8)


@dataclass(frozen=True)
class Tokenizer:
    revision: str = "benchmark"


def bare_loop(prior: DiffusionPrior, count: int) -> torch.Tensor:
    """What one would write with diffusers alone."""
    scheduler = samplers.build_scheduler(prior.settings)
    z = torch.randn(count, *prior.shape)
    unet = prior.module.unet
    with torch.no_grad():
        for t in scheduler.timesteps:
            z = scheduler.step(unet(z, t).sample, t, z).prev_sample
    return z


def uncached_gpt(prior: DrawnPrior, seeds: range) -> torch.Tensor:
    """The whole prefix through the network for every token."""
    generators, codes = common.generators(seeds), torch.zeros(len(seeds), prior.module.length, dtype=torch.long)
    with torch.no_grad():
        for position in range(prior.module.length):
            logits = prior.module(codes[:, : position + 1], None)[:, -1]
            codes[:, position] = draw(logits, choice(prior.settings), generators)
    return codes


def uncached_rq(prior: DrawnPrior, seeds: range) -> torch.Tensor:
    """The whole prefix through both transformers for every code."""
    module, generators = prior.module, common.generators(seeds)
    codes = torch.zeros(len(seeds), module.positions_count, module.depth, dtype=torch.long)
    with torch.no_grad():
        for position in range(module.positions_count):
            for depth in range(module.depth):
                logits = module(codes[:, : position + 1], None)[:, position, depth]
                codes[:, position, depth] = draw(logits, choice(prior.settings), generators)
    return codes


def compare(name: str, one: Callable[[], object], other: Callable[[], object], repeats: int) -> None:
    """Prints the medians of both and how many times longer ``other`` takes."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats + 1):
        for run, taken in zip((one, other), times, strict=True):
            start = time.process_time()
            run()
            taken.append(time.process_time() - start)
    first, second = (statistics.median(taken[1:]) for taken in times)
    print(f"{name}: {first:.3f} s and {second:.3f} s of processor time, ratio {second / first:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    repeats = arguments.repeats

    codes = Continuous(torch.randn(8, 4, 16, 16))
    diffusion = DiffusionLearner(Diffusion(UNET, PLAN, steps=20), BUILD, Tokenizer(), codes).finish()
    compare("bare loop, harness", lambda: bare_loop(diffusion, 16), lambda: diffusion.sample(range(16)), repeats)

    tokens = Indices(torch.randint(1024, (2, 16, 16, 1)), (1024,))
    gpt = GPTLearner(GPT(4, 4, 256, PLAN), BUILD, Tokenizer(), tokens).finish()
    assert torch.equal(gpt.sample(range(2)).tensor.flatten(1), uncached_gpt(gpt, range(2)))
    compare("GPT cached, uncached", lambda: gpt.sample(range(8)), lambda: uncached_gpt(gpt, range(8)), repeats)

    stacks = Indices(torch.randint(1024, (2, 8, 8, 4)), (1024,) * 4, pooled=True)
    shape = RQTransformer(4, 2, 4, 256, PLAN)
    rq = RQTransformerLearner(shape, BUILD, Tokenizer(), stacks, torch.randn(1024, 32)).finish()
    assert torch.equal(rq.sample(range(2)).tensor.flatten(1, 2), uncached_rq(rq, range(2)))
    compare("RQ cached, uncached", lambda: rq.sample(range(8)), lambda: uncached_rq(rq, range(8)), repeats)


if __name__ == "__main__":
    main()
