"""The published widths at 256 px: every tokenizer and prior of ``paper`` takes two steps on the CPU within 20 GiB."""

from __future__ import annotations

import pytest

from tests.rehearsal.full_width import CASES, HEADER, STEPS, measured, row

MOST = 20.0


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_steps_and_a_round_trip_at_full_width(name: str) -> None:
    found = measured(name)
    print(f"\n{HEADER}\n{row(name, found)}")
    assert len(found["seconds"]) == STEPS
    assert found["gibibytes"] < MOST
