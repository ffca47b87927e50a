"""The codes of a training set: computed once, resumed, mirrored, and given back as they were."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from bench.contract import Continuous, Indices, Sparse, Stream
from bench.core import codes as codec
from bench.core.progress import silent
from bench.data import frozen
from bench.errors import AdapterError, UsageError
from bench.evaluate import encode as encoding
from bench.evaluate.encode import encode

CPU = torch.device("cpu")


@dataclass
class Means:
    """Codes are the mean of each quarter of an image; ``fail_after`` calls the tokenizer dies."""

    revision: str = "means"
    calls: int = 0
    fail_after: int = 1 << 30
    make: object = field(default=lambda values: Continuous(values, 0.0, 255.0))

    def encode(self, images):
        if self.calls >= self.fail_after:
            raise KeyboardInterrupt
        self.calls += 1
        return self.make(images.float().unflatten(2, (2, -1)).unflatten(4, (2, -1)).mean((3, 5)))


def as_indices(values):
    return Indices(values.round().long().permute(0, 2, 3, 1), (300,) * 3)


def as_lists(values):
    triples = []
    for row in values.round().long().flatten(1):
        n = int(row[0]) % 5
        triples.append(torch.stack([torch.zeros(n, dtype=torch.long), torch.arange(n), row[:n]], 1))
    return Sparse(tuple(triples), (1, 12, 256), (8, 8))


@pytest.fixture
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (21, 3, 8, 8), np.uint8)
    return frozen.in_memory(pixels, np.arange(21) % 4)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(encoding, "ROWS", 8)


@pytest.mark.parametrize("make", [Means().make, as_indices, as_lists])
def test_batches_hold_the_codes_of_their_images(images, tmp_path, make):
    tokenizer = Means(make=make)
    source = encode(tokenizer, images, tmp_path, CPU, 5, silent, flip=True)
    assert len(source) == 21
    indices, flips = np.array([20, 3, 3, 9]), np.array([False, True, False, True])
    pixels = images.pixels[indices].copy()
    pixels[flips] = pixels[flips, :, :, ::-1]
    expected = tokenizer.encode(torch.from_numpy(pixels))
    batch = source.batch(indices, flips, [1, 2, 3, 4])
    ours = codec.to_arrays(batch.codes)
    for name, array in codec.to_arrays(expected).items():
        np.testing.assert_array_equal(ours[name], array)
    assert batch.labels.tolist() == [0, 3, 3, 1]
    assert batch.seeds == [1, 2, 3, 4]
    assert codec.count(source.head(6)) == 6
    assert codec.count(source.head(600)) == 21


def test_codes_are_computed_once_per_tokenizer_and_images(images, tmp_path):
    tokenizer = Means()
    encode(tokenizer, images, tmp_path, CPU, 8, silent)
    assert tokenizer.calls == 3
    encode(tokenizer, images, tmp_path, CPU, 8, silent)
    assert tokenizer.calls == 3
    encode(tokenizer, images, tmp_path, CPU, 8, silent, flip=True)
    assert tokenizer.calls == 6
    other = Means(revision="other")
    encode(other, images, tmp_path, CPU, 8, silent)
    encode(other, frozen.first(images, 8), tmp_path, CPU, 8, silent)
    assert other.calls == 4


def test_an_interrupted_run_goes_on(images, tmp_path):
    dying = Means(fail_after=2)
    with pytest.raises(KeyboardInterrupt):
        encode(dying, images, tmp_path, CPU, 8, silent)
    tokenizer = Means()
    source = encode(tokenizer, images, tmp_path, CPU, 8, silent)
    assert tokenizer.calls == 1
    whole = encode(Means(), images, tmp_path / "other", CPU, 8, silent)
    assert torch.equal(source.head(21).tensor, whole.head(21).tensor)


def test_flips_without_mirrored_codes_are_refused(images, tmp_path):
    source = encode(Means(), images, tmp_path, CPU, 8, silent)
    with pytest.raises(UsageError, match="without mirrored images"):
        source.batch(np.array([0]), np.array([True]), [0])


def test_bad_codes_are_refused(images, tmp_path):
    with pytest.raises(AdapterError, match="NaN or infinity"):
        encode(Means(make=lambda values: Continuous(values / 0)), images, tmp_path, CPU, 8, silent)
    stream = Means(make=lambda values: Stream((b"",) * len(values), (0,) * len(values), (8, 8)))
    with pytest.raises(UsageError, match="bitstreams"):
        encode(stream, images, tmp_path / "stream", CPU, 8, silent)


def test_a_damaged_block_is_named(images, tmp_path):
    source = encode(Means(), images, tmp_path, CPU, 8, silent)
    path = source.plain.path(1)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(encoding.codec.IntegrityError, match=path.name):
        source.batch(np.array([9]), np.array([False]), [0])
