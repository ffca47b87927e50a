"""``sample``: trains what is missing, draws, shards, exports; classes and bad input."""

import shutil

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from bench.cli.sample import parse_shard
from bench.errors import UsageError


def write_classes(folder, count=40):
    """Two classes of 32 px images, dark and bright, in folders of a train and a val split."""
    random = np.random.default_rng(0)
    for split, number in (("train", count), ("val", 8)):
        for name, low in (("bright", 160), ("dark", 0)):
            (folder / split / name).mkdir(parents=True)
            for i in range(number):
                pixels = random.integers(low, low + 90, (32, 32, 3), np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")
    return folder


@pytest.fixture
def draw(cache, tmp_path, command):
    dataset = f"folder:{write_classes(tmp_path / 'classes')}"

    def run(method, seeds, *more, out="drawn"):
        flags = ["--dataset", dataset, "--preset", "smoke", "--set", "images_seen=64", "--set", "prior_images_seen=64"]
        places = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / out)]
        return command("sample", method, "--sample-seeds", seeds, *flags, *places, *more)

    return run


def exported(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def test_samples_are_drawn_and_shards_give_the_same(draw, tmp_path):
    done = draw("vq-ldm:steps=5", "0,3,70")
    assert done.code == 0, done.err
    whole = exported(tmp_path / "drawn")
    assert sorted(whole) == ["seed000000.png", "seed000003.png", "seed000070.png"]
    for shard in ("1/2", "0/2"):
        assert draw("vq-ldm:steps=5", "70,3", "--shard", shard, out="shards").code == 0
        assert bool(exported(tmp_path / "shards")) == (shard == "0/2")
    assert exported(tmp_path / "shards") == {name: whole[name] for name in ("seed000003.png", "seed000070.png")}


def test_classes_are_drawn_by_label(draw, tmp_path):
    assert draw("vqgan:classes=2,guidance=50", "0-1").code == 0
    assert draw("vqgan:classes=2,guidance=50", "0-1", "--label", "1", out="ones").code == 0
    mixed, ones = exported(tmp_path / "drawn"), exported(tmp_path / "ones")
    assert mixed["seed000001.png"] == ones["seed000001.png"]
    assert mixed["seed000000.png"] != ones["seed000000.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vqgan", "1,1"), "seed 1 is given twice"),
        (("vqgan", "x"), "not sample seeds"),
        (("vqgan,brics", "0"), "names 2 methods"),
        (("downsample", "0"), "no prior is defined"),
        (("vqgan:classes=2", "0", "--label", "2"), "its classes are 0..1"),
        (("vqgan", "0", "--label", "0"), "it has none"),
        (("vqgan", "0", "--shard", "2/2"), "is not K/N"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(draw, tmp_path, arguments, message):
    done = draw(*arguments)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").rglob("*.json"))


def test_the_prior_of_another_tokenizer_is_refused(draw, cache):
    """Its weights lie where those of ours should be: the digest of the tokenizer that they carry tells."""
    for seed in "01":
        assert draw("vqgan", "0", "--seed", seed).code == 0
    theirs, ours = (path for path in cache.glob("runs/*/final.safetensors") if "owner" in load_file(path))
    shutil.copy(theirs, ours)
    done = [draw("vqgan", "70", "--seed", seed) for seed in "01"]
    assert sorted(d.code for d in done) == [0, 5]
    assert any("were trained for another tokenizer" in d.err for d in done)


def test_shards_are_k_of_n():
    assert parse_shard("2/3") == (2, 3)
    for text in ("3/3", "1", "a/2", "-1/2", "0/0"):
        with pytest.raises(UsageError, match="is not K/N"):
            parse_shard(text)
