"""Samples are their seeds, however the work was sharded, ordered, killed and resumed; bad orders are refused."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

from bench.contract import Continuous
from bench.core import seeding
from bench.core.progress import silent
from bench.data.export import export
from bench.errors import BenchError, UsageError
from bench.evaluate.generate import Order, generate, parse_seeds

CPU = torch.device("cpu")


@dataclass
class Noise:
    """A prior whose rows depend a little on their neighbours, as a network's rounding errors do."""

    revision: str = "noise"
    tokenizer_revision: str = "plain"
    drawn: int = 0
    seconds: float = 0.0

    def sample(self, seeds, condition=None):
        time.sleep(self.seconds)
        self.drawn += len(seeds)
        noise = seeding.uniform(seeds, (3, 4, 4), "test")
        if condition is not None:
            noise = noise * condition.labels[:, None, None, None] / 10
        return Continuous((noise + noise.mean() / 3) / 2)


@dataclass
class Plain:
    revision: str = "plain"

    def decode(self, codes, noise=None):
        return codes.tensor


def drawn(folder, seeds, batch=8, shard=(0, 1), prior=None, label=None):
    return generate(prior or Noise(), Plain(), Order(tuple(seeds), batch, label), folder, CPU, silent, shard)


def test_a_sample_is_its_seed(tmp_path):
    """Rows that lean on their neighbours still come out equal, whatever else was asked for and in which order."""
    whole = drawn(tmp_path / "a", range(30))
    assert whole.pixels.shape == (30, 3, 4, 4)
    some = drawn(tmp_path / "b", [17, 3, 29])
    assert np.array_equal(some.pixels, whole.pixels[[3, 17, 29]])
    assert drawn(tmp_path / "c", reversed(range(30))).digest == whole.digest
    assert drawn(tmp_path / "d", range(30), batch=7).digest != whole.digest


def test_shards_equal_the_whole(tmp_path):
    whole = drawn(tmp_path / "a", range(30))
    assert drawn(tmp_path / "b", range(30), shard=(2, 3)) is None
    assert drawn(tmp_path / "b", range(30), shard=(0, 3)) is None
    assert drawn(tmp_path / "b", range(30), shard=(1, 3)).digest == whole.digest
    assert not (tmp_path / "b.blocks").exists()


def test_what_is_there_is_not_drawn_again(tmp_path):
    prior = Noise()
    first = drawn(tmp_path / "a", range(16), prior=prior)
    again = drawn(tmp_path / "a", range(16), prior=prior)
    assert (prior.drawn, again.digest) == (16, first.digest)


@dataclass
class Marked(Plain):
    """Noise adds each image's seed, in levels of 8 bits."""

    def decode(self, codes, noise=None):
        levels = torch.zeros(len(codes.tensor)) if noise is None else torch.tensor(noise)
        return codes.tensor * 0 + (levels / 255)[:, None, None, None]


def test_noise_in_the_decoder_is_seeded_with_the_samples_seeds(tmp_path):
    for noise, levels in ((False, [0, 0]), (True, [3, 17])):
        order = Order((3, 17), 8, noise=noise)
        samples = generate(Noise(), Marked(), order, tmp_path / str(noise), CPU, silent)
        assert samples.pixels[:, 0, 0, 0].tolist() == levels


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from {module} import Noise, drawn
drawn(Path({folder!r}), range(80), shard=(1, 2), prior=Noise(seconds=0.3))
"""


def test_a_killed_shard_resumes_to_the_same_bytes(tmp_path):
    """kill -9 between blocks, and a torn temporary file as one within a write leaves it; then the other shard."""
    folder = tmp_path / "killed"
    here = os.path.dirname(__file__)
    script = SCRIPT.format(path=[here, os.getcwd()], module="test_generate", folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", script])
    blocks = folder.with_name("killed.blocks")
    deadline = time.monotonic() + 300
    while len(list(blocks.glob("*.npy"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list(blocks.glob("*.npy")))
    assert 2 <= done < 5
    (blocks / "00000009.npy.123.tmp").write_bytes(b"\\x93NUMPY torn")
    prior = Noise()
    assert drawn(folder, range(80), shard=(1, 2), prior=prior) is None
    assert prior.drawn == (5 - done) * 8
    assert drawn(folder, range(80), shard=(0, 2), prior=prior) is not None
    drawn(tmp_path / "whole", range(80))
    for name in ("pixels.u8", "digests.bin", "sources.jsonl"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_labels_follow_the_seed(tmp_path):
    samples = drawn(tmp_path / "a", [4, 13, 2], label=lambda seed: seed % 10)
    assert samples.labels.tolist() == [2, 4, 3]
    assert samples.digest != drawn(tmp_path / "b", [4, 13, 2]).digest


@pytest.mark.parametrize(
    ("seeds", "message"),
    [((), "No sample"), ((1, 2, 1), "seed 1 is given twice"), ((-1,), "between 0"), ((1 << 62,), "between 0")],
)
def test_bad_orders_are_refused(seeds, message):
    with pytest.raises(UsageError, match=message):
        Order(seeds, 8)


def test_a_prior_of_another_tokenizer_is_refused(tmp_path):
    with pytest.raises(UsageError, match="trained for the tokenizer elsewhere"):
        drawn(tmp_path / "a", [0], prior=Noise(tokenizer_revision="elsewhere"))


def test_nan_is_refused(tmp_path):
    @dataclass
    class Broken(Plain):
        def decode(self, codes, noise=None):
            return codes.tensor / 0

    with pytest.raises(BenchError, match="seeds 8 to 15 hold NaN"):
        generate(Noise(), Broken(), Order((9,), 8), tmp_path / "a", CPU, silent)


def test_seeds_as_text():
    assert parse_seeds("0-3") == (0, 1, 2, 3)
    assert parse_seeds("7, 1,3-4") == (7, 1, 3, 4)
    for bad in ("", "a", "1-", "-3", "1.5", "3-x"):
        with pytest.raises(UsageError, match="are not sample seeds"):
            parse_seeds(bad)
    with pytest.raises(UsageError, match="write 1-5"):
        parse_seeds("5-1")
    for many, said in (("0-1000000000", "more than 10,000,000"), ("9" * 5000, "too large"), ("0-" + "9" * 5000, "too")):
        with pytest.raises(UsageError, match=said):
            parse_seeds(many)


def test_samples_are_exported_under_their_seeds(tmp_path):
    samples = drawn(tmp_path / "a", [30, 4])
    export(samples, [30, 4], tmp_path / "png")
    assert sorted(p.name for p in (tmp_path / "png").iterdir()) == ["seed000004.png", "seed000030.png"]
    exported = np.asarray(Image.open(tmp_path / "png" / "seed000030.png"))
    assert np.array_equal(exported, samples.pixels[1].transpose(1, 2, 0))
