"""What BRICS's prior is trained on: modes, or for KL keys samples of the posterior, drawn anew in every step."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.contract import Batch, Build, Continuous
from bench.core import seeding
from bench.core.distributed import Alone
from bench.core.progress import silent
from bench.data import frozen
from bench.errors import UsageError
from bench.evaluate.encode import encode
from methods.brics import prior
from methods.brics.learner import BricsLearner
from methods.brics.presets import settings
from methods.brics.tokenizer import PosteriorEncoder, drawn_keys

CPU = torch.device("cpu")
SMOKE = settings("smoke", None)
BUILD = Build((32, 32), 0, CPU, Alone())


def tokenizer(**changes):
    torch.manual_seed(0)
    return BricsLearner(replace(SMOKE, **changes), BUILD).finish()


@pytest.fixture(scope="module")
def images():
    return frozen.in_memory(np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), np.uint8))


@pytest.mark.parametrize("changes", [{}, {"codes": "plain"}, {"codes": "c", "bits": 4}])
def test_keys_without_a_posterior_are_encoded_as_they_are(changes):
    product = tokenizer(**changes)
    assert prior.encoder(product) is product


def test_kl_keys_are_stored_as_their_posterior(images, tmp_path):
    product = tokenizer(codes="c")
    encoder = prior.encoder(product)
    assert isinstance(encoder, PosteriorEncoder)
    assert encoder.revision != product.revision
    codes = encode(encoder, images, tmp_path, CPU, 4, silent).head(6)
    assert isinstance(codes, Continuous)
    assert (codes.low, codes.high) == (None, None)
    pixels = torch.from_numpy(images.pixels.copy())
    mean, log_variance = codes.tensor.numpy().reshape(6, 2, 4, 8, 8).swapaxes(0, 1)
    np.testing.assert_allclose(1 / (1 + np.exp(-mean)), product.encode(pixels).tensor.numpy(), atol=1e-6)
    drawn = drawn_keys(codes, range(6))
    noise = seeding.normal(range(6), (4, 8, 8), "brics-posterior").numpy()
    wanted = 1 / (1 + np.exp(-(mean + np.exp(log_variance / 2) * noise)))
    np.testing.assert_allclose(drawn.tensor.numpy(), wanted, atol=1e-6)
    assert (drawn.low, drawn.high) == (0.0, 1.0)
    with pytest.raises(UsageError, match="16x16"):
        encoder.encode(torch.zeros(1, 3, 16, 16, dtype=torch.uint8))


def test_every_step_sees_other_samples_of_the_same_posterior(images, tmp_path):
    """The noise of the diffusion depends on the seeds too: a posterior without spread shows which part is the draw."""
    product = tokenizer(codes="c")
    codes = encode(prior.encoder(product), images, tmp_path, CPU, 4, silent).head(4)
    trained = prior.learner(prior.settings("smoke", None), BUILD, product, codes)
    mean = codes.tensor.chunk(2, 1)[0]
    seen = []
    trained.module.unet.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    narrow = Continuous(torch.cat([mean, torch.full_like(mean, -30)], 1))
    wide = Continuous(torch.cat([mean, torch.zeros_like(mean)], 1))
    for stored in (narrow, wide):
        trained.loss(Batch([1, 2, 3, 4], codes=stored), 0)
    gamma, _ = trained.times([1, 2, 3, 4])
    noise = seeding.normal([1, 2, 3, 4], (4, 8, 8), "brics-posterior")
    signal = gamma.sqrt().float()[:, None, None, None]
    wanted = signal * 2 * ((mean + noise).sigmoid() - mean.sigmoid())
    torch.testing.assert_close(seen[1] - seen[0], wanted, atol=1e-5, rtol=1e-5)
    drawn = [trained._drawn(wide, seeds).tensor for seeds in ([1, 2, 3, 4], [5, 6, 7, 8])]
    assert float((drawn[0] - drawn[1]).abs().mean()) > 0.05
    sampled = trained.finish().sample([1])
    assert isinstance(sampled, Continuous)
    assert (sampled.tensor.shape, sampled.low, sampled.high) == ((1, 4, 8, 8), 0.0, 1.0)
