"""Seeded damage to results and published numbers: a sentence and an exit code, never a traceback."""

import json
import random
from pathlib import Path

import pytest

from bench.cli.unforeseen import EXIT_CODE
from bench.results.record import to_json
from tests.unit.report.sample_results import usual

QUOTED = Path(__file__).parents[3] / "results" / "quoted" / "laser.json"
VALUES = (
    *(None, True, 0, -1, 1.5, 1e308, -1e308, 10**18, 10**400, "", "x", "x" * 3000, "\x1b[31m", "\ud800", "../../x"),
    *([], [1], ["a", None], [[[]]], {}, {"a": 1}, {"": {"": {}}}, float("nan"), float("inf")),
)
CASES = 150


def places(value, path=()):
    """The place of every value in a document."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def damaged(document, chance):
    """The document with one value replaced, or one key taken away or added."""
    made = json.loads(json.dumps(document))
    path = chance.choice([p for p in places(made) if p])
    holder = made
    for key in path[:-1]:
        holder = holder[key]
    kind = chance.random()
    if kind < 0.15 and isinstance(holder, dict):
        del holder[path[-1]]
    elif kind < 0.25 and isinstance(holder, dict):
        holder["surprise"] = chance.choice(VALUES)
    else:
        holder[path[-1]] = chance.choice(VALUES)
    return made


@pytest.mark.parametrize("command", ["report", "compare"])
def test_damaged_results_end_in_a_sentence(command, tmp_path, run_bench, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    chance = random.Random(0)
    whole = [json.loads(to_json(one)) for one in usual()]
    folder, before = tmp_path / "results", tmp_path / "before"
    for number, one in enumerate(whole):
        for root in (folder, before):
            (root / str(number)).mkdir(parents=True)
            (root / str(number) / f"{one['stage']}.json").write_text(json.dumps(one))
    codes = []
    for _ in range(CASES):
        number = chance.randrange(len(whole))
        file = folder / str(number) / f"{whole[number]['stage']}.json"
        file.write_text(json.dumps(damaged(whole[number], chance)))
        arguments = ("-r", folder, "--format", "md,latex,csv,json,html,model-index", "--out", tmp_path / "out")
        done = run_bench(*((command, before, folder) if command == "compare" else (command, *arguments)))
        assert done.returncode != EXIT_CODE, f"{done.stderr}\n{file.read_text()}"
        assert "\x1b" not in done.stdout + done.stderr
        codes.append(done.returncode)
        file.write_text(json.dumps(whole[number]))
    assert {0, 2} <= set(codes) <= {0, 1, 2, 4, 5}


def test_damaged_published_numbers_end_in_a_sentence(tmp_path, run_bench, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    chance = random.Random(1)
    whole, file = json.loads(QUOTED.read_text()), tmp_path / "quoted.json"
    codes = []
    for _ in range(CASES):
        file.write_text(json.dumps(damaged(whole, chance)))
        done = run_bench("report", "--quoted-only", "--quoted", file, "--out", tmp_path / "out", "--format", "md,csv")
        assert done.returncode != EXIT_CODE, f"{done.stderr}\n{file.read_text()}"
        codes.append(done.returncode)
    assert set(codes) == {0, 2}
