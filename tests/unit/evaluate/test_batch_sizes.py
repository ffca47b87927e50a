"""Decoded samples across batch sizes, float32 on the CPU, with the methods' own networks: the stated bounds hold."""

import pytest
import torch

from bench.contract import Build
from bench.core import images
from bench.core.distributed import Alone
from bench.core.registry import method_of
from bench.run.plugins import with_plugins
from methods import METHODS

CPU = torch.device("cpu")
SEEDS = list(range(48))


def built(name):
    """A tokenizer and a prior at ``smoke``, untrained: their rounding errors are those of trained ones."""
    entry, build = with_plugins(METHODS, ())[name], Build((32, 32), 0, CPU, Alone())
    torch.manual_seed(0)
    tokenizer = method_of(entry).learner(entry.settings("smoke", None), build).finish()
    pixels = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    settings = entry.prior_settings("smoke", None)
    return tokenizer, method_of(entry).prior.learner(settings, build, tokenizer, tokenizer.encode(pixels)).finish()


def in_batches(prior, size):
    return [prior.sample(SEEDS[first : first + size]) for first in range(0, len(SEEDS), size)]


@pytest.mark.parametrize("name", ["brics", "kl-ldm"])
def test_continuous_samples_agree_across_batch_sizes(name):
    """At most one level on at most 0.1 % of the values."""
    tokenizer, prior = built(name)
    one, other = (
        torch.cat([images.to_uint8(tokenizer.decode(codes)) for codes in in_batches(prior, size)]) for size in (48, 7)
    )
    difference = (one.int() - other.int()).abs()
    assert int(difference.max()) <= 1
    assert float((difference > 0).float().mean()) <= 1e-3


@pytest.mark.parametrize("name", ["vqgan", "rqvae", "vq-ldm"])
def test_index_samples_agree_across_batch_sizes(name):
    """Identical codes for at least 99 % of the seeds: here for all 48."""
    _, prior = built(name)
    one, other = (torch.cat([codes.tensor for codes in in_batches(prior, size)]) for size in (48, 7))
    assert torch.equal(one, other)
