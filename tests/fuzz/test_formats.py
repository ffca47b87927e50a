"""Hundreds of damaged files of every format: what they say or a sentence; no traceback, hang, act or silent change."""

import random

import pytest

from tests.fuzz import damage, running, self_test
from tests.fuzz.formats import FORMATS


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_end_in_a_sentence_or_in_what_they_say(name):
    tally = running.run(name, FORMATS[name].cases)
    print(f"{running.HEAD}\n{tally.line()}")
    assert sum(tally.counts.values()) == FORMATS[name].cases
    assert not tally.faults, "\n".join(tally.faults)
    assert tally.counts["refused"] or tally.counts["other"], "no damage was noticed: the cases are too tame"


def test_damage_is_seeded():
    whole = {"a": bytes(range(256)), "b.json": b'{"a": [1, {"b": 2}]}'}
    for make in (damage.parts, damage.json_parts):
        first, again = ([make(whole, random.Random(f"x {i}")) for i in range(50)] for _ in range(2))
        assert first == again
        assert sum(one != whole for one in first) > 40


@pytest.mark.slow
def test_faults_of_every_kind_are_counted():
    tally = running.run("self-test", sum(self_test.EXPECTED.values()), patience=3)
    assert dict(tally.counts) == self_test.EXPECTED, tally.faults
