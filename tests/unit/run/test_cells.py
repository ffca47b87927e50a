"""From flags to cells."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from bench.contract import SAMPLE_FIELD, MethodEntry
from bench.data.dataset import dataset_of
from bench.errors import UsageError
from bench.run.cells import cells, preset_of, stages_with_predecessors
from bench.run.config import RunConfig, run_config
from bench.run.presets import PRESETS
from bench.run.settings import settings_until, with_options
from tests.toys import ENTRY, ToySettings
from tests.unit.evaluate.test_reconstruct import deviations

NOISY = "tests.unit.evaluate.test_reconstruct:Noisy"
TABLE = {
    "toy": ENTRY,
    "plain": MethodEntry(name="plain", title="Plain", summary="", code=NOISY, variants=("a", "b")),
}


@dataclass(frozen=True)
class Settings:
    width: int = 8
    rate: float = 0.1
    fast: bool = False
    mode: Literal["a", "b"] = "a"
    limit: int | None = 3
    shape: tuple[int, ...] = (1, 2)
    steps: int = field(default=5, metadata=SAMPLE_FIELD)


def test_options_are_converted_to_the_fields_types() -> None:
    options = {"width": "3", "rate": "1e-3", "fast": "true", "mode": "b", "limit": "none"}
    assert with_options(Settings(), options, "it") == Settings(3, 1e-3, True, "b", None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widht": "3"}, "it has no option 'widht'. Did you mean 'width'"),
        ({"width": "three"}, "'width=three' of it"),
        ({"mode": "c"}, "'mode=c' of it"),
        ({"fast": "perhaps"}, "'fast=perhaps' of it"),
    ],
)
def test_bad_options_are_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_options(Settings(), options, "it")


def test_later_fields_are_not_part_of_an_earlier_recipe() -> None:
    assert "steps" in settings_until(Settings(), "sample")
    assert "steps" not in settings_until(Settings(), "prior")
    assert settings_until(Settings(), "train")["width"] == 8


def test_stages_come_in_order_with_their_predecessors() -> None:
    assert stages_with_predecessors(["cost", "train"]) == ("train", "cost")
    assert stages_with_predecessors(["gen"]) == ("train", "prior", "sample", "gen")
    with pytest.raises(UsageError, match=r"no stage 'recno'\. Did you mean 'recon'"):
        stages_with_predecessors(["recno"])


def test_cells_are_methods_times_seeds() -> None:
    made = cells(RunConfig(methods=("toy,plain",), seeds=(0, 1)), TABLE)
    assert [(c.label, c.seed) for c in made] == [("toy", 0), ("toy", 1), ("plain", 0)]
    assert cells(RunConfig(methods=("toy:width=6",)), TABLE)[0].settings == ToySettings(width=6)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"methods": ("toyy",)}, "Did you mean 'toy'"),
        ({"methods": ("plain:c",)}, "has no variant 'c'"),
        ({"methods": ("toy",), "preset": "smol"}, "no preset 'smol'"),
        ({"methods": ("toy:width=x",)}, "'width=x' of 'toy:width=x'"),
    ],
)
def test_unknown_names_suggest(config: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cells(RunConfig(**config), TABLE)  # type: ignore[arg-type]


def test_noise_is_an_option_of_rows_whose_method_has_it() -> None:
    noisy = dataclasses.replace(TABLE["plain"], decoding_noise=deviations)
    made = cells(RunConfig(methods=("plain,plain:noise=true",), seeds=(0, 1)), {"plain": noisy})
    assert [(c.label, c.seed, c.decoding.noise) for c in made] == [
        ("plain", 0, False),
        ("plain:noise=true", 0, True),
        ("plain:noise=true", 1, True),
    ]
    with pytest.raises(UsageError, match="has no option 'noise'"):
        cells(RunConfig(methods=("plain:noise=true",)), TABLE)


@pytest.mark.parametrize("flags", [{"limit": 0}, {"eval_limit": -1}, {"seeds": ()}, {"seeds": (1, 1)}])
def test_impossible_flags(flags: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        RunConfig(methods=("toy",), **flags)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"stages": "recon"}, r"stages='recon' is one value; give a tuple, stages=\('recon',\)"),
        ({"seeds": 3}, r"seeds=3 is one value; give a tuple, seeds=\(3,\)"),
        ({"out": "r"}, r"out='r' is no path; give out=pathlib.Path\('r'\)"),
    ],
)
def test_a_program_that_gives_a_value_of_another_type_is_told_so(flags: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RunConfig(methods=("toy",), **flags)  # type: ignore[arg-type]


def test_set_changes_the_preset() -> None:
    config = RunConfig(methods=("toy",), preset="smoke", set=("images-seen=32", "flip=true"))
    changed = preset_of(config)
    assert (changed.images_seen, changed.flip) == (32, True)
    assert PRESETS["smoke"].images_seen == 640
    with pytest.raises(UsageError, match="no option 'name'"):
        preset_of(RunConfig(methods=("toy",), set=("name=x",)))
    with pytest.raises(UsageError, match="KEY=VALUE"):
        preset_of(RunConfig(methods=("toy",), set=("images_seen",)))


def test_a_dataset_is_written_as_its_entry_says() -> None:
    from bench.data.datasets import DATASETS

    assert dataset_of("photos", DATASETS)[1] is None
    assert dataset_of("folder:/a:b", DATASETS)[1] == "/a:b"
    for text in ("photos:/a", "folder", "folder:", "fotos"):
        with pytest.raises(UsageError):
            dataset_of(text, DATASETS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/data/photos", "write --dataset 'folder:/data/photos'"),
        ("./photos", "write --dataset 'folder:./photos'"),
        ("photos,cifar10", "a run takes one: run once for each"),
    ],
)
def test_a_path_or_two_datasets_are_told_from_a_name(text: str, message: str) -> None:
    from bench.data.datasets import DATASETS

    with pytest.raises(UsageError, match=message):
        dataset_of(text, DATASETS)


def test_a_configuration_file_has_the_flags_keys_and_flags_win(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("methods: [toy, plain]\neval-limit: 5\nseeds: [0, 1]\nstages: recon,cost\npreset: smoke\n")
    config = run_config({"preset": "small", "dataset": None}, file)
    assert config == RunConfig(
        methods=("toy", "plain"), eval_limit=5, seeds=(0, 1), stages=("recon", "cost"), preset="small"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("methods: toy\nprest: smoke", "unknown key 'prest'. Did you mean 'preset'"),
        ("- a", "holds no keys"),
        ("methods: [", "cannot be read"),
        ("methods: toy\nlimit: many", "--limit"),
        ("dataset: photos", "No method is named"),
        ("methods: &a [toy]\nplugin: *a", "alias"),
        ("a: &a [x]\nb: &b [*a, *a, *a]\nmethods: [*b, *b]", "alias"),
        ("methods: {toy: 1}", "neither a text nor a number"),
        ("methods: toy\nseeds: 2020-01-01", "neither a text nor a number"),
        ("methods: toy\nseeds: [[0]]", "neither a text nor a number"),
        ("methods: toy\nlimit: .nan", "--limit"),
        ("methods: toy\nseeds: 1.5", "--seeds-0 in"),
        ("methods: toy\nlimit: 0", "--limit is 0"),
        ("methods: toy\nlimit: " + "9" * 5000, "cannot be read as YAML"),
        ("methods: toy\nseeds: [" + ", ".join(map(str, range(100_000))) + "]", "at most 1,000"),
        ("methods: " + "[" * 3000, "nests deeper"),
        ("#" * (1 << 20) + "\nmethods: toy", "more than the"),
    ],
)
def test_bad_configuration_files(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        run_config({}, file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("path", ["/dev/zero", "fifo", "folder"])
def test_a_configuration_that_is_no_file_is_refused_unread(tmp_path: Path, path: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="is not a regular file"):
        run_config({}, tmp_path / path)
