"""A run without a command line: results as values, nothing printed, and everything of a cell found and opened once."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import bench
from bench.errors import UsageError
from bench.run import checkpoints, experiment, limits, opening, tokenizers
from bench.run.checks import prepare
from bench.run.config import RunConfig
from bench.run.job import job_of
from tests.conftest import Command
from tests.sources import encoded, folder

SETS = ("images_seen=64", "previews=0")


def config(plugin: str, out: Path, **changes: object) -> RunConfig:
    """The toy tokenizer, at the smallest preset."""
    flags: dict[str, object] = {"preset": "smoke", "limit": 32, "eval_limit": 8, "set": SETS, "plugin": (plugin,)}
    return RunConfig(**{"methods": ("toy",), "out": out, **flags, **changes})  # type: ignore[arg-type]


@contextmanager
def calls_of(*functions: Callable[..., object]) -> Iterator[Counter[str]]:
    """How often each of the functions is called meanwhile, by name."""
    codes = {function.__code__: function.__name__ for function in functions}
    counted: Counter[str] = Counter()

    def seen(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code in codes:
            counted[codes[frame.f_code]] += 1

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        yield counted
    finally:
        sys.setprofile(before)


def test_a_run_gives_its_results_and_prints_nothing(
    toy: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = experiment.run(config(toy, tmp_path / "r"))
    assert [(r.method, r.stage, r.status) for r in found[:3]] == [
        ("toy", "train", "ok"),
        ("toy", "recon", "ok"),
        ("toy", "cost", "not-applicable"),
    ]
    assert found[3].method.startswith("downsample"), "the floor at the toy's grid"
    assert capfd.readouterr() == ("", "")
    frame = bench.load_results(tmp_path / "r")
    assert {(row.method, row.stage, row.status) for row in frame.itertuples()} == {
        (r.method, r.stage, r.status) for r in found
    }


WHOLE = """
from bench.contract import Continuous, MethodEntry

METHOD = MethodEntry(name="whole", title="Whole", summary="the image as its codes", code="plugin_whole:Whole")


class Whole:
    revision = "0123456789abcdef"

    def __init__(self, settings, build): ...

    def encode(self, images):
        return Continuous(images.float() / 255, 0.0, 1.0)

    def decode(self, codes, noise=None):
        return codes.tensor
"""


def test_a_grid_as_fine_as_the_image_has_no_floor(toy: str, tmp_path: Path) -> None:
    file = tmp_path / "plugin_whole.py"
    file.write_text(WHOLE)
    found = experiment.run(config(str(file), tmp_path / "r", methods=("whole", "jpeg:q=50"), stages=("recon",)))
    assert [(r.method, r.facts.get("grid")) for r in found if r.status == "ok"] == [
        ("whole", [32, 32]),
        ("jpeg:q=50", None),
    ]


def test_what_is_done_can_be_heard_and_the_floor_left_out(toy: str, tmp_path: Path) -> None:
    said: list[str] = []
    found = experiment.run(config(toy, tmp_path / "r", stages=("recon",)), say=said.append, with_floor=False)
    assert {result.method for result in found} == {"toy"}
    assert any(line.startswith("toy seed 0, recon") for line in said)


def test_the_command_prints_what_the_function_gives(toy: str, tmp_path: Path, command: Command) -> None:
    found = experiment.run(config(toy, tmp_path / "r", stages=("recon",)))
    flags = [text for pair in SETS for text in ("--set", pair)]
    done = command(
        *("run", "--methods", "toy", "--plugin", toy, "--preset", "smoke", "--limit", "32", "--eval-limit", "8"),
        *(*flags, "--stages", "recon", "--out", str(tmp_path / "r")),
    )
    assert done.code == 0, done.err
    assert done.err.count("done before") == len(found), "the same keys"


def test_validate_finds_all_at_once_and_a_run_refuses(toy: str, tmp_path: Path) -> None:
    wrong = config(toy, tmp_path / "r", methods=("toy@/nowhere.ckpt",), device="gpu", sample_seeds="1,1")
    findings = experiment.validate(wrong)
    assert len(findings.missing) == 3
    assert any("/nowhere.ckpt" in sentence for sentence in findings.missing)
    with pytest.raises(UsageError, match=r"3 things missing:\n  - "):
        experiment.run(wrong)
    assert not (tmp_path / "r").exists() or not list((tmp_path / "r").rglob("*.json"))
    fine = experiment.validate(config(toy, tmp_path / "r"))
    assert fine.missing == ()
    assert any("validation images" in note for note in fine.notes)


def test_a_run_without_a_dataset_has_no_jobs(toy: str, tmp_path: Path) -> None:
    prepared = prepare(config(toy, tmp_path / "r", dataset="folder:/nowhere"))
    assert prepared.jobs == ()
    with pytest.raises(UsageError, match="1 thing missing"):
        experiment.execute(prepared)


def test_a_cell_of_several_stages_finds_its_weights_and_opens_its_dataset_once(toy: str, tmp_path: Path) -> None:
    trained = tmp_path / "trained"
    first = experiment.run(config(toy, trained, stages=("train",)), with_floor=False)
    file = next(trained.rglob("train.json"))
    assert first[0].status == "ok"
    again = config(toy, tmp_path / "r", methods=(f"toy@{file}",), overwrite=True, clock=True)
    functions = (checkpoints.named, opening.open_dataset, opening.session_of, tokenizers.CellTokenizer._made)
    with calls_of(*functions) as counted:
        found = experiment.run(again, with_floor=False)
    assert [(r.stage, r.status) for r in found][1] == ("recon", "ok")
    assert dict(counted) == {"named": 1, "open_dataset": 1, "session_of": 1, "_made": 1}


def test_a_flag_marks_the_results_that_it_reduced_alone(toy: str, tmp_path: Path) -> None:
    def marked(**changes: object) -> dict[str, dict[str, tuple[str, ...]]]:
        found = prepare(config(toy, tmp_path / "r", **{"set": (), "methods": ("toy", "jpeg:q=50", "dct"), **changes}))
        stages = ("train", "recon", "cost", "gen")
        return {job.cell.label: {name: limits.limited(name, job) for name in stages} for job in found.jobs}

    both, evaluation = ("limit", "eval-limit"), ("eval-limit",)
    assert marked() == {
        "toy": {"train": ("limit",), "recon": both, "cost": (), "gen": both},
        "jpeg:q=50": {"train": ("limit",), "recon": evaluation, "cost": (), "gen": both},
        "dct": {"train": ("limit",), "recon": both, "cost": (), "gen": both},
    }, "dct has the statistics of training images"
    assert set(marked(limit=10**6, eval_limit=10**6)["toy"].values()) == {()}
    assert marked(set=("images_seen=8",), limit=None)["jpeg:q=50"]["recon"] == ("eval-limit", "set images_seen=8")
    kodak = folder(tmp_path / "kodak", {f"{i}.png": encoded(i, height=32, width=32) for i in range(9)})
    tested = marked(dataset=f"testset:{kodak}", stages=("recon",), methods=("jpeg:q=50", "dct"))
    assert {found["recon"] for found in tested.values()} == {evaluation}, "no training image was used"
    (train,) = [r for r in experiment.run(config(toy, tmp_path / "r", stages=("train",))) if r.status == "ok"]
    (weights,) = (tmp_path / "r").rglob("toy/seed0/train.json")
    again = marked(limit=None, eval_limit=None, methods=(f"toy@{weights}",), stages=("recon",))
    assert [found["recon"] for found in again.values()] == [train.limited]
    assert train.limited == ("limit", *(f"set {text}" for text in SETS))


def test_seeds_of_one_method_look_for_its_weights_once(toy: str, tmp_path: Path) -> None:
    with calls_of(checkpoints.named) as counted:
        prepared = prepare(config(toy, tmp_path / "r", seeds=(0, 1, 2)))
    assert len(prepared.jobs) == 3
    assert counted["named"] == 1
    assert len({id(job.session) for job in prepared.jobs}) == 1


def test_a_tokenizer_stays_open_for_the_stages_of_its_cell_and_is_let_go_after_it(toy: str, tmp_path: Path) -> None:
    asked = config(toy, tmp_path / "r", stages=("recon",))
    [job] = prepare(asked).jobs
    experiment.run(asked, with_floor=False)
    opened = job.tokenizer.open()
    assert job.placed("stage 2").tokenizer.open() is opened
    job.tokenizer.close()
    assert job.tokenizer.open() is not opened
    assert job.tokenizer.open().revision == opened.revision
    prepared = prepare(config(toy, tmp_path / "r", stages=("recon",), overwrite=True, clock=True))
    experiment.execute(prepared, with_floor=False)
    assert prepared.jobs[0].tokenizer._open == []


def test_jobs_are_compared_by_their_cell_and_session(toy: str, tmp_path: Path) -> None:
    prepared = prepare(config(toy, tmp_path / "r", seeds=(0, 1)))
    first, second = prepared.jobs
    assert job_of(first.cell, first.session) == first
    assert first != second
    assert first.tokenizer.folder != second.tokenizer.folder
