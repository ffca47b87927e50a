"""A run reads a file of weights once, however many stages need what is in it, and trains nothing to evaluate."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bench.core.readings import Readings
from methods.autoencoder.quantised import QuantisedModel
from methods.autoencoder.quantised_settings import VQSettings
from tests.conftest import Command
from tests.toys import smoke

OPENED = SimpleNamespace(paths=None)
"""Every path that Python opens, while somebody listens; an audit hook cannot be taken away again."""
ONCE = 5
"""Opened to be hashed, to see its format, its members and the names that its pickle asks for, and to be mapped."""


def hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and OPENED.paths is not None and isinstance(arguments[0], str | bytes | Path):
        OPENED.paths.append(str(arguments[0]))


@pytest.fixture(scope="module")
def listen() -> Callable[[], object]:
    sys.addaudithook(hear)

    @contextmanager
    def listening() -> Iterator[list[str]]:
        OPENED.paths = []
        try:
            yield OPENED.paths
        finally:
            OPENED.paths = None

    return listening


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A vector-quantised tokenizer of another training framework."""
    sizes = {"ch": 32, "ch_mult": (1, 2), "num_res_blocks": 1, "attn_resolutions": (), "z_channels": 4, "embed_dim": 4}
    settings = VQSettings(**sizes, n_embed=8)
    torch.manual_seed(0)
    file = tmp_path / "model.ckpt"
    torch.save({"state_dict": QuantisedModel(settings.architecture((32, 32)), settings, seed=0).state_dict()}, file)
    return file


BUDGET = ("--set", "prior_images_seen=16", "--set", "samples=2", "--limit", "48", "--eval-limit", "4")


@pytest.mark.usefixtures("toy")
def test_six_stages_read_a_foreign_checkpoint_once(weights: Path, tmp_path: Path, command: Command, listen) -> None:
    stages = ("--stages", "train,recon,cost,prior,sample,gen", "--seeds", "0,1")
    with listen() as opened:
        done = command(
            *("run", "--methods", f"vqgan@{weights}", "--preset", "smoke", *stages, *BUDGET),
            *("--out", str(tmp_path / "r")),
        )
    assert done.code == 0, done.err
    assert len(list((tmp_path / "r").rglob("sample.json"))) == 2
    assert opened.count(str(weights)) == ONCE


@pytest.mark.usefixtures("toy")
def test_validate_and_cost_read_it_once_too(weights: Path, tmp_path: Path, command: Command, listen) -> None:
    method = ("--methods", f"vqgan@{weights}", "--preset", "smoke")
    for arguments in (("validate", *method, "--out", str(tmp_path / "r")), ("cost", *method)):
        with listen() as opened:
            done = command(*arguments)
        assert done.code == 0, done.err
        assert opened.count(str(weights)) == ONCE


PLUGIN = """
import dataclasses
from pathlib import Path

from bench.contract import Method, PriorMethod
from methods.priors.diffusion import DiffusionLearner
from methods.priors.small import DIFFUSION
from tests.toys import ENTRY, ToyLearner

LOG = Path(__file__).with_suffix(".log")


def note(kind, build):
    how = "sized" if build.device.type == "meta" else "trained" if build.training else "loaded"
    with LOG.open("a") as file:
        file.write(f"{kind} {how}\\n")


def learner(settings, build):
    note("tokenizer", build)
    return ToyLearner(settings, build)


def prior_settings(preset, variant):
    return DIFFUSION["smoke"]


def prior_learner(settings, build, tokenizer, codes):
    note("prior", build)
    return DiffusionLearner(settings, build, tokenizer, codes)


TOLD = Method(learner=learner, prior=PriorMethod(prior_learner))
METHOD = dataclasses.replace(ENTRY, name="told", code="plugin_told:TOLD", prior_settings=prior_settings)
"""


@pytest.mark.usefixtures("toy")
def test_only_the_training_stages_build_for_training(tmp_path: Path, command: Command) -> None:
    plugin = tmp_path / "plugin_told.py"
    plugin.write_text(PLUGIN)
    arguments = smoke(str(plugin), tmp_path / "r", "--stages", "recon,sample", *BUDGET)
    arguments[arguments.index("toy")] = "told"
    done = command(*arguments)
    assert done.code == 0, done.err
    said = plugin.with_suffix(".log").read_text().splitlines()
    assert said.count("tokenizer trained") == 1
    assert said.count("prior trained") == 1
    assert {"tokenizer loaded", "prior loaded"} <= set(said)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    readings, file = Readings(), tmp_path / "weights"
    calls: list[str] = []

    def read(path: Path) -> str:
        calls.append(path.read_text())
        return calls[-1]

    file.write_text("one")
    first = readings.digest(file)
    assert [readings.content(file, read) for _ in range(3)] == ["one"] * 3
    file.write_text("other")
    assert readings.content(file, read) == "other"
    assert calls == ["one", "other"]
    assert readings.digest(file) != first
    whole = readings.digest(tmp_path)
    (tmp_path / "more").write_text("")
    assert readings.digest(tmp_path) != whole
