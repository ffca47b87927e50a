"""The door to pretrained networks: real files first, stand-ins only where asked for, each named as what it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench.core.fetch import File
from bench.core.progress import silent
from bench.core.registry import load
from bench.errors import IntegrityError, Missing
from bench.metrics import METRICS
from bench.pretrained.networks import Pretrained
from bench.pretrained.stand_ins import stand_in
from bench.pretrained.table import WEIGHTS
from bench.results.record import STAND_IN
from bench.run.cells import Cell
from bench.run.config import RunConfig
from bench.run.job import job_of
from bench.run.presets import PRESETS
from bench.run.session import Session, Tables
from bench.run.stages import train
from methods import METHODS

NAME = "squeezenet1_1"


@pytest.fixture
def real(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the table takes for the real network."""
    folder = tmp_path / "weights"
    path = stand_in(NAME, tmp_path / "made").rename(tmp_path / "real.safetensors")
    folder.mkdir()
    path = path.rename(folder / "real.safetensors")
    row = dataclasses.replace(WEIGHTS[NAME], files=(File(path.name, None, "none", "made by the test"),))
    monkeypatch.setitem(WEIGHTS, NAME, row)
    monkeypatch.setenv("BENCH_WEIGHTS", str(folder))
    return path


def test_without_leave_an_absent_network_is_missing(cache: Path) -> None:
    source = Pretrained()
    assert not source.available(NAME)
    with pytest.raises(Missing, match=f"bench fetch {NAME}"):
        source.find(NAME)
    assert source.replacing([NAME]) == ()


def test_with_leave_it_is_replaced_and_named_so(cache: Path) -> None:
    source = Pretrained(cache / "stand-ins")
    assert source.available(NAME)
    assert source.find(NAME).parent == cache / "stand-ins"
    assert source.identity(NAME).startswith(f"{STAND_IN} {NAME}#")
    assert source.planned(NAME) == source.identity(NAME)
    assert source.replacing([NAME]) == (source.identity(NAME),)


def test_a_real_file_is_never_replaced(real: Path, cache: Path) -> None:
    source = Pretrained(cache / "stand-ins")
    assert source.find(NAME) == real
    assert source.identity(NAME).startswith("real.safetensors#")
    assert source.replacing([NAME]) == ()
    assert not (cache / "stand-ins").exists()


def test_a_file_of_another_network_is_refused(real: Path, tmp_path: Path) -> None:
    Pretrained().verify(NAME)
    real.write_bytes(stand_in("dinov2-vits14", tmp_path / "made").read_bytes())
    with pytest.raises(IntegrityError, match=r"real.safetensors is no SqueezeNet.*missing \(features.0.weight"):
        Pretrained().verify(NAME)


def test_a_truncated_file_is_refused(real: Path) -> None:
    real.write_bytes(real.read_bytes()[:100_000])
    with pytest.raises(IntegrityError, match=r"real.safetensors is damaged .* fetch it again"):
        Pretrained().verify(NAME)


class Images:
    digest = "d" * 64

    def __len__(self) -> int:
        return 4


def recipe(preset: str, cache: Path, **flags: bool) -> dict:
    entry = load(METHODS["vqgan"])
    config = RunConfig(methods=("vqgan",), **flags)
    dataset = type("Dataset", (), {"train": Images(), "val": Images(), "name": "images"})()
    session = Session(config, PRESETS[preset], dataset, Tables({}, METRICS, {}), None, cache, silent, print)
    method = type("Method", (), {"name": "vqgan", "weights": None, "label": "vqgan"})()
    return train.recipe(job_of(Cell(method, entry, entry.settings(preset, None), 0, ("train",)), session))


def test_the_recipe_of_a_training_holds_the_network_in_its_loss(cache: Path) -> None:
    real, random = recipe("paper", cache), recipe("paper", cache, stand_in=True)
    assert real["networks"] == {"vgg16": "vgg16-397923af.pth#sha256-prefix:397923af"}, "known without the file"
    assert random["networks"]["vgg16"].startswith("stand-in vgg16#")
    assert {k: v for k, v in real.items() if k != "networks"} == {k: v for k, v in random.items() if k != "networks"}


@pytest.mark.parametrize("preset", ["smoke", "small"])
def test_a_recipe_without_such_a_loss_is_as_it_was(preset: str, cache: Path) -> None:
    assert "networks" not in recipe(preset, cache)
    assert recipe(preset, cache) == recipe(preset, cache, stand_in=True)
