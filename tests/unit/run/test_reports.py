"""The report of a finished training is read strictly."""

import json

import pytest

from bench.errors import IntegrityError
from bench.run.stages.fit import REPORT, finished
from bench.train.checkpoint import FINAL
from bench.train.loop import FitReport

WHOLE = {
    "steps": 4,
    "images_seen": 64,
    "batch": 16,
    "micro_batch": 16,
    "seconds": 1.5,
    "flops": 1e9,
    "curve": [{"images": 16.0, "total": 0.5}],
    "previews": [],
}


def run(folder, text):
    (folder / FINAL).touch()
    (folder / REPORT).write_text(text)
    return folder


def test_a_whole_report_is_read(tmp_path):
    assert set(WHOLE) == set(FitReport.__dataclass_fields__)
    assert finished(run(tmp_path, json.dumps(WHOLE))) == WHOLE
    (tmp_path / REPORT).unlink()
    assert finished(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "the whole"),
        (json.dumps({**WHOLE, "steps": "4"}), "wrong in steps"),
        (json.dumps({**WHOLE, "flops": float("nan")}), "NaN is no number"),
        (json.dumps({**WHOLE, "curve": [1]}), "wrong in curve.0"),
        (json.dumps({k: v for k, v in WHOLE.items() if k != "seconds"}), "lacks the field seconds"),
        (json.dumps({**WHOLE, "surprise": 1}), "surprise"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_damaged_report_exits_5_and_says_what_to_delete(tmp_path, text, words):
    with pytest.raises(IntegrityError, match=words) as caught:
        finished(run(tmp_path, text))
    assert str(tmp_path / REPORT) in str(caught.value)
    assert f"delete {tmp_path} and train again" in str(caught.value)
