"""Names that are no UTF-8 and characters that a terminal obeys."""

import json
import os

import pytest

from bench.core.files import folder_name
from bench.core.visible import encoded, in_json, visible

LATIN = os.fsdecode(b"caf\xe9.png")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, café, 中文\n\tnext", "plain, café, 中文\n\tnext"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\rb\x07\x7f\x9b", r"a\x0db\x07\x7f\x9b"),
        ("left\u202eright", r"left\u202eright"),
        (LATIN, r"caf\xe9.png"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_what_a_terminal_obeys_is_shown(text, shown):
    assert visible(text) == shown


def test_any_name_can_be_written(tmp_path):
    assert encoded(LATIN) == rb"caf\xe9.png"
    assert encoded("\x1b é") == "\x1b é".encode()
    assert json.loads(in_json(json.dumps(LATIN, ensure_ascii=False)).encode()) == LATIN
    assert folder_name(LATIN) == "caf%E9.png"
    assert folder_name("café") != folder_name(os.fsdecode(b"caf\xe9"))
