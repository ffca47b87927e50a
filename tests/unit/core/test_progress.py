"""Progress: where in the run, how fast, how long still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.core import progress
from bench.core.progress import Advance, Estimate


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_estimate_counts_from_the_first_report() -> None:
    """A resumed run reports at once what it had done: 900 of 1000. Then 10 in 5 s: 90 left at 2 a second."""
    clock = Clock()
    estimate = Estimate(1000, clock)
    estimate.add(900)
    assert estimate.left is None
    clock.now = 5.0
    estimate.add(10)
    assert estimate.rate == 2.0
    assert estimate.left == 45.0
    assert estimate.done == 910


def said_in(total: int, seconds: float) -> tuple[list[str], list[str]]:
    """What is shown and said in a run of ``total`` units that take as many ``seconds`` each."""
    clock, shown, said = Clock(), [], []

    @contextmanager
    def bar(description: str, total: int) -> Iterator[Advance]:
        shown.append(description)
        yield lambda n: shown.append(str(n))

    with progress.placed(bar, "stage 2 of 3 of cell 1 of 6", said.append, clock)("train", total) as advance:
        advance(0)
        for _ in range(total):
            clock.now += seconds
            advance(1)
    return shown, said


def test_long_work_says_once_how_long_it_will_take() -> None:
    shown, said = said_in(total=1000, seconds=10.0)
    assert shown[0] == "stage 2 of 3 of cell 1 of 6, train"
    assert shown[1:] == ["0", *["1"] * 1000]
    assert said == ["stage 2 of 3 of cell 1 of 6, train: about 2.8 h left"]


def test_short_work_says_nothing() -> None:
    assert said_in(total=100, seconds=1.0)[1] == []
    assert said_in(total=5, seconds=0.1)[1] == []


def test_lines_for_logs_give_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten units every 4 s: a line every second report, none in the first 5 s."""
    clock = Clock()
    with progress._lines("train", 100, clock) as advance:
        advance(0)
        for _ in range(4):
            clock.now += 4.0
            advance(10)
    assert capsys.readouterr().err == "train: 20/100, 2.5/s, 32 s left\ntrain: 40/100, 2.5/s, 24 s left\n"


@pytest.mark.parametrize(("rate", "words"), [(123.4, "123"), (9.96, "10"), (0.123, "0.12"), (1.0, "1")])
def test_rates_keep_two_digits(rate: float, words: str) -> None:
    assert progress.per_second(rate) == words
