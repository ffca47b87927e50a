"""Every dataset of the table opens a small source of its kind, by the same contract."""

import dataclasses
import json

import numpy as np
import pytest

from bench.core import images
from bench.core.registry import load
from bench.data import frozen
from bench.data.datasets import DATASETS, imagenette
from bench.errors import Missing, UsageError
from tests import sources


def prepared(tmp_path, name):
    """A request for the dataset with a source that it can read."""
    makers = {
        "photos": lambda: None,
        "folder": lambda: sources.split_folder(tmp_path / "data"),
        "zip": lambda: sources.nvidia_zip(tmp_path / "data.zip", 40),
        "npz": lambda: batch(tmp_path / "data.npz"),
        "wds": lambda: sources.shard(tmp_path / "data.tar", sources.pictures(f"{i}.png" for i in range(30))),
        "hf": lambda: sources.hugging_face(tmp_path / "data"),
        "ffhq": lambda: sources.folder(tmp_path / "data", sources.pictures(["00001.png", "59999.png", "60000.png"])),
        "imagenette": lambda: sources.folder(
            tmp_path / "data",
            sources.pictures(f"{part}/{wnid}/a.png" for part in ("train", "val") for wnid in imagenette.CLASSES),
        ),
        "imagenet": lambda: sources.folder(tmp_path / "data", sources.pictures(["train/n1/a.png", "val/n1/b.png"])),
        "cifar10": lambda: sources.cifar(tmp_path / "data"),
        "church": lambda: sources.lsun(tmp_path / "data", "church_outdoor"),
        "church-rqvae": lambda: sources.lsun(tmp_path / "data", "church_outdoor"),
        "bedroom": lambda: sources.lsun(tmp_path / "data", "bedroom"),
        "tower": lambda: sources.lsun(tmp_path / "data", "tower"),
    }
    return sources.request(tmp_path / "cache", name, makers[name](), protocol=DATASETS[name].protocol)


def batch(path):
    np.savez(path, np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), np.uint8))
    return path


BY_LISTS = {"church-ldm", "bedroom-ldm"}
"""These need the published lists; their readers are tested with lists of their own in the unit tests."""
UNTRAINED = {"testset", "kodak", "clic2020", "clic2020-mobile", "clic2020-professional", "div2k", "coco-val2017"}
"""These have no training images; the named ones are tested in ``tests/unit/data/test_held_out.py``."""


@pytest.mark.parametrize("name", sorted(DATASETS.keys() - BY_LISTS - UNTRAINED))
def test_a_dataset_gives_frozen_uint8_splits_with_facts(tmp_path, name):
    ask = prepared(tmp_path, name)
    made = load(DATASETS[name].open)(ask)
    assert made.resolution == 16
    assert made.protocol == ask.protocol
    for split in (made.train, made.val):
        assert split.pixels.dtype == np.uint8
        assert split.pixels.shape == (len(split), 3, 16, 16)
        assert len(split) > 0
        assert not split.pixels.flags.writeable
        assert split.digest == frozen.in_memory(np.array(split.pixels)).digest
        assert split.labels is None or split.labels.shape == (len(split),)
        frozen.verify(split)
    for part in ("train", "val"):
        assert made.facts[part]["count"] == len(getattr(made, part))
        assert made.facts[part]["digest"] == getattr(made, part).digest
    assert {"origin", "split", "order", "duplicates"} <= made.facts.keys()
    json.dumps(made.facts)


@pytest.mark.parametrize("name", sorted(DATASETS.keys() - BY_LISTS - UNTRAINED))
def test_a_dataset_is_the_same_the_second_time_and_in_another_cache(tmp_path, name):
    ask = prepared(tmp_path, name)
    load_it = load(DATASETS[name].open)
    first = load_it(ask)
    for again in (load_it(ask), load_it(dataclasses.replace(ask, cache=tmp_path / "other", workers=1))):
        assert again.train.digest == first.train.digest
        assert again.val.digest == first.val.digest
        assert again.name == first.name


@pytest.mark.parametrize("name", sorted(DATASETS.keys() - {"photos"}))
def test_a_missing_source_is_named_with_a_remedy(tmp_path, name):
    ask = sources.request(tmp_path / "cache", name, tmp_path / "absent", offline=True)
    with pytest.raises(Missing, match="absent") as caught:
        load(DATASETS[name].open)(ask)
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_an_entry_is_complete(name):
    entry = DATASETS[name]
    assert entry.name == name
    assert entry.protocol in images.PROTOCOLS
    assert callable(load(entry.open))
    assert entry.download is None or callable(load(entry.download))


def test_a_test_set_is_every_image_or_the_validation_folder(tmp_path):
    flat = sources.folder(tmp_path / "kodak", sources.pictures(f"{i}.png" for i in range(12)))
    made = load(DATASETS["testset"].open)(sources.request(tmp_path / "cache", "testset", flat))
    assert made.train is None
    assert len(made.val) == 12
    assert made.name == "testset:kodak"
    both = sources.split_folder(tmp_path / "both")
    ask = sources.request(tmp_path / "cache", "testset", both)
    split = load(DATASETS["folder"].open)(dataclasses.replace(ask, name="folder"))
    assert load(DATASETS["testset"].open)(ask).val.digest == split.val.digest
    with pytest.raises(UsageError, match="testset:PATH"):
        load(DATASETS["testset"].open)(dataclasses.replace(ask, path=None))
