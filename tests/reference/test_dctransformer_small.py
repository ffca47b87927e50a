"""DCTransformer at ``small`` on real photographs needs fewer bits than independent statistics of each channel.

``BENCH_PHOTOS_ZIP`` names a zip with 64-pixel photographs under ``train/`` and ``val/``.
"""

import io
import os
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from bench.contract import Batch, Build
from bench.core import codes as codes_of
from bench.core import seeding
from bench.core.distributed import Alone
from methods.dct.model import DctTokenizer
from methods.dct.presets import settings
from methods.dct.prior import DCTransformerLearner
from methods.dct.prior_presets import SMALL
from methods.dct.statistics import ChannelStatistics

IMAGES_SEEN, TRAINING, HELD_OUT = 24_000, 6_000, 200


def photographs(path: str, split: str, count: int) -> torch.Tensor:
    """The first photographs of a split, uint8 ``[count, 3, 64, 64]``."""
    with zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if n.startswith(f"{split}/") and n.upper().endswith("JPEG")]
        chosen = names[:: max(len(names) // count, 1)][:count]
        pixels = [np.array(Image.open(io.BytesIO(archive.read(n))).convert("RGB")) for n in chosen]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()


@pytest.mark.slow
def test_likelihood_beats_independent_channels() -> None:
    path = os.environ.get("BENCH_PHOTOS_ZIP")
    if not path:
        pytest.skip("BENCH_PHOTOS_ZIP does not name the zip of photographs")
    tokenizer = DctTokenizer(settings("small", None), torch.device("cpu"))
    train = tokenizer.encode(photographs(path, "train", TRAINING))
    held_out = tokenizer.encode(photographs(path, "val", HELD_OUT))
    statistics = ChannelStatistics(tokenizer.settings)
    statistics.update(train)

    torch.manual_seed(0)
    learner = DCTransformerLearner(SMALL, Build((64, 64), 0, torch.device("cpu"), Alone()), tokenizer, train)
    phase, steps = learner.phases[0], IMAGES_SEEN // learner.batch
    for step in range(steps):
        for group in phase.optimizer.param_groups:
            group["lr"] = SMALL.optimisation.rate * phase.schedule(step, steps)
        rows = seeding.step_indices(0, step, learner.batch, TRAINING)
        batch = Batch(seeding.step_seeds(0, step, learner.batch), codes=codes_of.take(train, rows))
        phase.optimizer.zero_grad()
        phase.loss(batch, step).total.backward()
        torch.nn.utils.clip_grad_norm_(phase.parameters, phase.clip)
        phase.optimizer.step()

    learned, independent = learner.finish().bits(held_out).mean(), statistics.bits(held_out).mean()
    print(f"DCTransformer {learned:.0f} bits per image, independent channels {independent:.0f}")
    assert learned < independent
