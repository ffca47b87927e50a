"""The arithmetic of a forecast, exactly."""

from __future__ import annotations

import pytest

from bench.core import progress
from bench.run import forecast
from bench.run.forecast import CellForecast, Memory, Room, Spread, StageForecast, Turn


def test_spreads_add_up_and_scale() -> None:
    one = forecast.spread([3.0, 1.0, 2.0])
    assert one == Spread(1.0, 2.0, 3.0)
    assert one + one * 2 == Spread(3.0, 6.0, 9.0)
    assert forecast.total([]) == Spread(0.0, 0.0, 0.0)


def test_a_turn_is_scaled_to_the_batch_without_what_does_not_grow() -> None:
    """Two images took 5 s, 1 s of it the optimiser: twelve take 4 x 6 + 1."""
    assert Turn("g", (5.0,), images=2, fixed=1.0).scaled(12) == Spread(25.0, 25.0, 25.0)
    assert Turn("g", (0.5,), images=1, fixed=1.0).scaled(8).middle == 1.0


@pytest.mark.parametrize(
    ("every", "first", "last", "count"),
    [(1, 0, 10, 10), (16, 0, 17, 2), (16, 1, 16, 0), (3, 2, 8, 2), (1, 10, 5, 0), (16, 16, 17, 1)],
)
def test_turns_between(every: int, first: int, last: int, count: int) -> None:
    assert forecast.turns_between(every, first, last) == count
    assert count == len([step for step in range(first, last) if step % every == 0])


def test_a_training_takes_each_measurement_until_the_next() -> None:
    """Before step 4 the generator takes 1 s, from then on 2 s with 3 s of discriminator; R1 every fourth step."""
    turns = [
        Turn("g", (1.0,), 1),
        Turn("r1", (10.0,), 1, every=4),
        Turn("g", (2.0,), 1, since=4),
        Turn("r1", (10.0,), 1, every=4, since=4),
        Turn("d", (3.0,), 1, since=4),
    ]
    assert forecast.training_seconds(turns, steps=10, batch=1).middle == 4 * 1 + 6 * (2 + 3) + 3 * 10
    assert forecast.training_seconds(turns, steps=3, batch=1).middle == 3 + 10
    assert forecast.training_seconds(turns, steps=10, batch=2).middle == 2 * (4 * 1 + 6 * (2 + 3) + 3 * 10)


def test_checkpoints_are_written_by_the_clock_and_not_more_often_than_points_are_logged() -> None:
    assert forecast.saves(29.0, 30.0, 100) == 1
    assert forecast.saves(61.0, 30.0, 100) == 3
    assert forecast.saves(1e6, 30.0, 100) == 101


def test_memory_by_micro_batch_and_the_largest_that_fits() -> None:
    memory = Memory(fixed=1000, per_image=100.0, others=1500, what="resident")
    assert memory.peak(12) == 2200
    assert memory.peak(1) == 1500
    assert memory.largest(2200) == 12
    assert memory.largest(2199) == 11
    assert memory.largest(1499) == 0


def cell(*stages: StageForecast, label: str = "vqgan") -> CellForecast:
    return CellForecast(label, 0, stages)


def test_sums_add_times_and_disk_and_take_the_largest_memory() -> None:
    train = StageForecast("train", Spread(1, 2, 3), memory=10, disk={"weights": 5}, transient=20)
    recon = StageForecast("recon", Spread(4, 5, 6), memory=30, disk={"images": 7, "features": 1}, transient=2)
    assert forecast.sums([cell(train, recon), cell(train)]) == forecast.Sums(Spread(6, 9, 12), 30, 18, 20)
    assert forecast.sums([]) == forecast.Sums(Spread(), None, 0, 0)


def test_what_does_not_fit_is_said_with_the_remedy() -> None:
    train = StageForecast(
        "train", Spread(), memory=3_000_000_000, disk={"w": 10**9}, transient=10**9, remedies=("give --micro-batch 4",)
    )
    fits = Room(3_000_000_000, "the GPU", 2 * 10**9, "/cache")
    assert forecast.shortfalls([cell(train)], fits) == []
    small = Room(2_999_999_999, "the GPU", 2 * 10**9 - 1, "/cache")
    memory, disk = forecast.shortfalls([cell(train)], small)
    assert memory == "'vqgan', train: needs 3.0 GB of memory, but the GPU has 3.0 GB; give --micro-batch 4."
    assert "2.0 GB on the disk of /cache" in disk
    assert "BENCH_CACHE" in disk
    assert forecast.shortfalls([cell(train)], Room(None, "the GPU", 2 * 10**9, "/cache")) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(4.24, "4.2 s"), (99, "99 s"), (720, "12 min"), (200, "3.3 min"), (7200, "2.0 h"), (86400 * 21, "21 days")],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert progress.duration(seconds) == words


def test_sizes_and_spans_read_well() -> None:
    assert [forecast.size(n) for n in (311_900, 1.4e6, 1.44e9, 2e12)] == ["312 kB", "1.4 MB", "1.4 GB", "2.0 TB"]
    assert forecast.span(Spread(720, 721, 840)) == "12 min (12 min to 14 min)"
    assert forecast.span(Spread(1, 1, 1)) == "1.0 s"
