"""Nearest training images: equal to brute force, LPIPS equal to the lpips package, planted copies found."""

import numpy as np
import pytest
import torch
from PIL import Image

from bench.core.progress import silent
from bench.data import frozen
from bench.errors import UsageError
from bench.metrics import memorisation
from bench.metrics.memorisation import DENSITY, by_features, by_lpips, lpips_vectors, relative, verdict
from bench.pretrained.lpips import lpips_network
from bench.pretrained.stand_ins import stand_in


def test_nearest_features_equal_brute_force(monkeypatch):
    monkeypatch.setattr(memorisation, "ROWS", 16)
    random = np.random.default_rng(0)
    queries, train = (random.normal(5, 2, (n, 7)).astype(np.float32) for n in (35, 50))
    train[41] = queries[20]
    found = by_features(queries, train, 3)
    distances = np.linalg.norm(queries[:, None].astype(np.float64) - train[None], axis=2)
    order = distances.argsort(axis=1)[:, :3]
    assert np.array_equal(found.indices, order)
    np.testing.assert_allclose(found.distances, np.take_along_axis(distances, order, 1), atol=1e-6)
    assert found.indices[20, 0] == 41
    assert found.distances[20, 0] < 1e-6


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return lpips_network("squeeze", "cpu", stand_in("squeezenet1_1", tmp_path_factory.mktemp("stand-ins")))


@torch.no_grad()
def test_lpips_vectors_have_lpips_as_squared_distance(network):
    images = torch.randint(0, 256, (6, 3, 48, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    vectors = lpips_vectors(network, images)
    signed = images.float() / 127.5 - 1
    for i in range(3):
        expected = network(signed[i : i + 1], signed[i + 3 : i + 4]).item()
        assert (vectors[i] - vectors[i + 3]).square().sum().item() == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
def test_nearest_by_lpips_equals_brute_force(network):
    pixels = np.random.default_rng(1).integers(0, 256, (14, 3, 32, 32), np.uint8)
    samples, train = frozen.in_memory(pixels[:3]), frozen.in_memory(pixels[3:])
    found = by_lpips(samples, train, "squeeze", torch.device("cpu"), 4, silent, 2, network)
    signed = torch.from_numpy(pixels).float() / 127.5 - 1
    brute = np.array([[network(signed[i : i + 1], signed[j : j + 1]).item() for j in range(3, 14)] for i in range(3)])
    order = brute.argsort(1)[:, :2]
    assert np.array_equal(found.indices, order)
    np.testing.assert_allclose(found.distances, np.take_along_axis(brute, order, 1), rtol=1e-3)


def photographs(count):
    """Tiles of photographs that do not overlap and are not flat, 32 px, shuffled."""
    from skimage import data

    tiles = []
    for source in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), data.immunohistochemistry()):
        for top in range(0, source.shape[0] - 47, 48):
            for left in range(0, source.shape[1] - 47, 48):
                tile = Image.fromarray(source[top : top + 48, left : left + 48])
                tiles.append(np.asarray(tile.resize((32, 32), Image.Resampling.BICUBIC)).transpose(2, 0, 1))
    stacked = np.stack([tile for tile in tiles if tile.std() > 25])
    assert len(stacked) >= count
    return stacked[np.random.default_rng(0).permutation(len(stacked))[:count]]


def nearly(pixels):
    """The image with noise of two levels."""
    noise = np.random.default_rng(0).normal(0, 2, pixels.shape)
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


@pytest.fixture
def extract(tmp_path):
    from bench.metrics.features import FEATURES
    from bench.metrics.measure import extract

    def features(images):
        found = extract(frozen.in_memory(images), ["r64.fc2"], FEATURES, torch.device("cpu"), tmp_path, 64)
        return found["r64.fc2"].vectors

    return features


def test_planted_copies_are_found_and_nothing_else(extract):
    """Noisy copies among samples that are new photographs; without them there is no warning."""
    pixels = photographs(280)
    train, held_out, clean = pixels[:180], pixels[180:230], pixels[230:]
    samples = clean.copy()
    planted = {7: 33, 8: 101, 19: 150, 20: 2, 21: 64, 30: 99, 41: 178, 42: 120, 43: 17}
    for place, original in planted.items():
        samples[place] = nearly(train[original])
    known = extract(train)
    found, usual = by_features(extract(samples), known, DENSITY), by_features(extract(held_out), known, DENSITY)
    said = verdict(found, usual)
    assert set(said.suspects) >= set(planted)
    assert len(said.suspects) <= len(planted) + 1
    assert found.indices[list(planted), 0].tolist() == list(planted.values())
    assert "copies of training images (0 equal" in said.warning
    assert verdict(by_features(extract(clean), known, DENSITY), usual).warning is None
    assert "(1 equal" in verdict(by_features(extract(clean), known, DENSITY), usual, duplicates=1).warning


def test_relative_distances():
    found = memorisation.Neighbours(np.array([[0, 1], [1, 2]]), np.array([[0.0, 0.0], [1.0, 3.0]]))
    assert relative(found).tolist() == [0.0, 0.5]


def test_more_neighbours_than_images_are_refused():
    with pytest.raises(UsageError, match="2 training images have no 3 nearest"):
        by_features(np.zeros((1, 4), np.float32), np.zeros((2, 4), np.float32), 3)
