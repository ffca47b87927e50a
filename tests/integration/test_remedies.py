"""What a message advises can be followed: the advised command is run as well."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from bench.results.store import Place

from ..conftest import Command
from ..unit.report.sample_results import recon
from .test_shared_cache import pictures


@pytest.fixture
def check(shared_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command) -> Command:
    """``validate`` at the smallest preset."""
    monkeypatch.setenv("BENCH_CACHE", str(shared_cache))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    return lambda *asked: command("validate", "--preset", "smoke", "--out", str(tmp_path / "out"), *asked)


def test_one_dataset_at_a_time(check: Command, tmp_path: Path) -> None:
    twice = check("-m", "jpeg:q=50", "-d", "photos", "--dataset", "cifar10")
    assert twice.code == 2
    assert "--dataset is given 2 times (photos, cifar10), and a run takes one dataset: run once for each" in twice.err
    joined = check("-m", "jpeg:q=50", "-d", "photos,cifar10")
    assert joined.code == 2
    assert "'photos,cifar10' names several datasets; a run takes one: run once for each" in joined.err
    bare = check("-m", "jpeg:q=50", "-d", str(pictures(tmp_path / "few", 0)))
    assert bare.code == 2
    advised = re.search(r"write --dataset '(folder:[^']+)'", bare.err)
    assert advised
    assert check("-m", "jpeg:q=50", "-d", advised[1]).code == 0


def test_a_folder_of_too_few_images_to_train_on_is_found_before_the_run(
    check: Command, command: Command, tmp_path: Path
) -> None:
    dataset = f"folder:{pictures(tmp_path / 'few', 0, 20)}"
    for done in (
        check("-m", "vqgan,brics", "-d", dataset),
        command("run", "-m", "vqgan,brics", "-d", dataset, "--preset", "smoke", "--out", str(tmp_path / "out")),
    ):
        assert done.code == 2
        assert "'vqgan', 'brics'" in done.err
        assert "at least 40 images" in done.err
    assert not list((tmp_path / "out").rglob("*.json"))
    assert check("-m", "jpeg:q=50", "-d", dataset).code == 0
    assert check("-m", "vqgan", "-d", f"folder:{pictures(tmp_path / 'enough', 0, 40)}").code == 0


def test_ready_made_samples_say_which_stage_measures_them(check: Command, tmp_path: Path) -> None:
    samples = f"samples:mine={pictures(tmp_path / 'mine', 0)}"
    alone = check("-m", samples)
    assert alone.code == 2
    assert f"none of the stages train,recon,cost applies to '{samples}' (" in alone.err
    assert "; it has --stages gen" in alone.err
    beside = check("-m", f"{samples},jpeg:q=50")
    assert beside.code == 0
    assert "note: none of the stages train,recon,cost applies to 'samples:mine" in beside.out
    assert check("-m", samples, "--stages", "gen").code == 0


def test_every_method_at_once(check: Command) -> None:
    assert check("-m", "all").code == 0


def test_two_methods_are_to_be_reported_and_two_seeds_are_compared(tmp_path: Path, command: Command) -> None:
    one = recon("vqgan", 21.0)
    held = {"a": one, "method": dataclasses.replace(one, method="rqvae"), "seed": dataclasses.replace(one, seed=1)}
    for name, result in held.items():
        Place(tmp_path / name, result.dataset, result.preset, result.method, result.seed).write(result)
    done = command("compare", str(tmp_path / "a"), str(tmp_path / "method"))
    assert done.code == 4
    assert "The two sides have no row in common" in done.err
    advised = re.search(r"run: python -m bench (report) -r BASELINE -r CURRENT", done.err)
    assert advised
    files = ["-r", str(tmp_path / "a"), "-r", str(tmp_path / "method"), "--out", str(tmp_path / "report")]
    assert command(advised[1], *files, "--format", "csv").code == 0
    seeds = command("compare", str(tmp_path / "a"), str(tmp_path / "seed"))
    assert (seeds.code, seeds.err) == (0, "No regression: 1 same.\n")
