"""Networks with random but fixed weights, where the published ones cannot be had, and small folders of images."""

import contextlib
import math
import os
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from bench.core.fetch import File
from bench.pretrained.table import WEIGHTS, Weights

COUNT = 12


def randomise(module, seed):
    """He-normal convolutions and slightly random batch norms, so that activations keep their size."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
            fan = part.weight[0].numel()
            part.weight.data = torch.randn(part.weight.shape, generator=generator) * math.sqrt(2 / fan)
            if part.bias is not None:
                part.bias.data = torch.randn(part.bias.shape, generator=generator) * 0.01
        elif isinstance(part, torch.nn.BatchNorm2d):
            part.bias.data = torch.randn(part.bias.shape, generator=generator) * 0.1
            part.running_mean = torch.randn(part.running_mean.shape, generator=generator) * 0.1
    return module


@contextlib.contextmanager
def pinned(name, file_name, folder):
    """Lets the table's row take an unpinned file of ``folder``."""
    old = WEIGHTS[name]
    row = Weights(name, old.title, (File(file_name, None, "none", "made by the test"),), old.licence, old.source)
    with mock.patch.dict(WEIGHTS, {name: row}), mock.patch.dict(os.environ, {"BENCH_WEIGHTS": str(folder)}):
        yield


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory):
    """A state dict of torch-fidelity's Inception."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save({}, path)
    with mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict"):
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=path)
    torch.save(randomise(network, 0).state_dict(), path)
    return path


@pytest.fixture
def inception(inception_file):
    with pinned("inception-2015-12-05", inception_file.name, inception_file.parent):
        yield inception_file


def picture(random, height, width):
    """Smooth colour with texture, uint8 ``[H, W, 3]``."""
    small = Image.fromarray(random.randint(0, 256, (5, 5, 3)).astype(np.uint8))
    smooth = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(smooth + random.randint(-30, 31, (height, width, 1)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Two folders of PNGs, 64 x 48, and the same images as uint8 ``[N, 3, H, W]``."""
    found = []
    for seed in (1, 2):
        random = np.random.RandomState(seed)
        folder = tmp_path_factory.mktemp(f"images{seed}")
        pictures = [picture(random, 48, 64) // seed for _ in range(COUNT)]
        for index, pixels in enumerate(pictures):
            Image.fromarray(pixels).save(folder / f"{index:03d}.png")
        found.append((folder, np.stack(pictures).transpose(0, 3, 1, 2).copy()))
    return found
