"""The stopwatch: warm-up left out, one time per call, signature of the conditions, memory of this tokenizer."""

from time import sleep

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.contract import Codes, Continuous, Seeds
from bench.evaluate.clock import Schedule, clock, seconds_per_call

QUICK = Schedule(warmup=1, repeats=3, seconds=0.0)
CPU = torch.device("cpu")


class Sleeper:
    """Sleeps a known time; its first call of each kind is slow, as a compiling network's."""

    revision = "sleeper"

    def __init__(self) -> None:
        self.calls = {"encode": 0, "decode": 0}

    def _nap(self, kind: str, seconds: float) -> None:
        self.calls[kind] += 1
        sleep(0.3 if self.calls[kind] == 1 else seconds)

    def encode(self, images: Tensor) -> Codes:
        self._nap("encode", 0.02)
        return Continuous(images.float())

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        self._nap("decode", 0.05)
        return codes.tensor / 255


def test_speed_is_that_of_warm_calls() -> None:
    images = np.zeros((4, 3, 8, 8), np.uint8)
    encode, decode, memory = clock(Sleeper(), images, CPU, QUICK)
    assert encode.value == pytest.approx(4 / 0.02, rel=0.4)
    assert decode.value == pytest.approx(4 / 0.05, rel=0.4)
    assert encode.n == decode.n == 12
    assert encode.deviation is not None
    assert memory.value > 1e6


def test_conditions_are_in_the_signature() -> None:
    one, other = (clock(Sleeper(), np.zeros((n, 3, 8, 16), np.uint8), CPU, QUICK)[0].signature for n in (1, 2))
    assert one != other
    assert one["hardware"]
    assert (one["device"], one["batch"], one["height"], one["width"]) == ("cpu", 1, 8, 16)


def test_the_schedule_bounds_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that a call moves on by an eighth of a second, and nothing else."""
    now = [0.0]
    monkeypatch.setattr("bench.evaluate.clock.perf_counter", lambda: now[0])

    def call() -> None:
        now[0] += 0.125

    assert seconds_per_call(call, CPU, Schedule(0, repeats=5, seconds=0.0)) == [0.125] * 5
    assert seconds_per_call(call, CPU, Schedule(0, repeats=1, seconds=1.0)) == [0.125] * 8
    assert seconds_per_call(call, CPU, Schedule(0, repeats=1, seconds=60.0, most=9)) == [0.125] * 9
    before = now[0]
    assert len(seconds_per_call(call, CPU, Schedule(warmup=3, repeats=2, seconds=0.0))) == 2
    assert now[0] - before == 5 * 0.125


def test_peak_memory_sees_a_large_buffer_and_forgets_it() -> None:
    class Hungry(Sleeper):
        def encode(self, images: Tensor) -> Codes:
            return Continuous(torch.ones(100, 1024, 1024).mean() + images.float())

    images = np.zeros((1, 3, 8, 8), np.uint8)
    hungry = clock(Hungry(), images, CPU, QUICK)[2].value
    modest = clock(Sleeper(), images, CPU, QUICK)[2].value
    assert hungry - modest > 300 * 2**20


@pytest.mark.cuda
def test_cuda_memory_is_the_allocators() -> None:
    images = np.zeros((1, 3, 8, 8), np.uint8)
    assert clock(Sleeper(), images, torch.device("cuda"), QUICK)[2].value < 10 * 2**20
