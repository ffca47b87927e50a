"""Conditional tasks of a run: who has them, and that nothing is trained for those who have not."""

import pytest

from bench.errors import UsageError
from bench.run import runner
from bench.run.cells import Cell, cells
from bench.run.checks import check_task
from bench.run.config import RunConfig
from bench.run.opening import methods_table

EVERYTHING = ["train", "prior", "sample", "gen"]


def cells_of(*methods: str, stages: tuple[str, ...] = ("gen",), task: str | None = "upsample") -> list[Cell]:
    return cells(RunConfig(methods, stages=stages, task=task), methods_table(()))


def test_a_method_without_the_task_is_not_trained_for_it() -> None:
    dct, vqgan = cells_of("dct", "vqgan")
    assert runner.useful(dct, ("gen",)) == EVERYTHING
    assert runner.useful(vqgan, ("gen",)) == ["gen"]
    assert runner.useful(vqgan, ("train", "gen")) == ["train", "gen"]
    assert runner.useful(*cells_of("vqgan", task=None), ("gen",)) == EVERYTHING
    assert runner.useful(*cells_of("vqgan", stages=("recon",)), ("recon",)) == ["train", "recon"]


def test_a_method_without_a_prior_stops_at_what_it_is_asked() -> None:
    [jpeg] = cells_of("jpeg", stages=("gen", "cost"), task=None)
    assert runner.useful(jpeg, ("gen", "cost")) == ["cost", "gen"]


@pytest.mark.parametrize(
    ("methods", "task", "words"),
    [
        (("vqgan", "jpeg"), "upsample", "it draws freely only"),
        (("dct",), "colorize", "needs the option order=luma-first"),
        (("dct", "vqgan"), "paint", "No method of this run has the task 'paint'"),
    ],
)
def test_a_task_that_no_method_has_is_refused(methods: tuple[str, ...], task: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_task(cells_of(*methods, task=task))


def test_one_method_with_the_task_is_enough() -> None:
    check_task(cells_of("vqgan", "dct"))
    check_task(cells_of("dct:order=luma-first", task="colorize"))
    check_task(cells_of("vqgan", task=None))
