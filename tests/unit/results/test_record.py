"""Results: what is written can be read, the shipped schema describes it, older files are upgraded and newer refused."""

import json
from dataclasses import fields, replace
from pathlib import Path

import jsonschema
import pytest

from bench.errors import UsageError
from bench.results import record
from bench.results.record import STAGES, Measurement, Result, from_json, signature_difference, signature_id, to_json

SCHEMA = json.loads((Path(record.__file__).parent / "record.schema.json").read_text(encoding="utf-8"))

FULL = Result(
    stage="recon",
    status="ok",
    method="vqgan:f16@official:k=2",
    title="VQGAN",
    dataset="photos",
    preset="smoke",
    seed=3,
    key="ab12",
    task="colorize",
    limited=("eval_limit", "limit"),
    metrics=(
        Measurement("psnr", 22.25, "dB", True, 64, signature={"metric": "psnr", "n": 64, "crop": None, "sigma": 1.5}),
        Measurement("kid", 0.02, "", False, 64, deviation=0.001),
        Measurement("lpips-vgg", None, reason="The weights 'vgg16' are missing; python -m bench fetch vgg16"),
    ),
    facts={"grid": [16, 16], "curve": [{"step": 1, "loss": 0.5}]},
    settings={"": "Settings", "width": 8},
    arguments={"given": {}, "resolved": {}},
    provenance={"commit": {"id": None, "dirty": None}},
    per_image="recon.parquet",
)


def valid(text: str) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(text))


@pytest.mark.parametrize(
    "result",
    [
        FULL,
        Result("train", "ok", "m", "M", "d", "p", 0, "k"),
        Result("cost", "failed", "m", "M", "d", "p", 0, "k", error="CUDA out of memory"),
        Result("train", "not-applicable", "m", "M", "d", "p", 0, "k", error="The method needs no training."),
    ],
)
def test_written_results_obey_the_schema_and_are_read_back_equal(result):
    text = to_json(result)
    valid(text)
    assert from_json(text, "file") == result
    assert to_json(from_json(text, "file")) == text


def test_the_schema_names_exactly_the_fields_of_the_dataclasses():
    assert set(SCHEMA["properties"]) == set(SCHEMA["required"]) == {f.name for f in fields(Result)}
    measurement = SCHEMA["$defs"]["measurement"]
    assert set(measurement["properties"]) == set(measurement["required"]) == {f.name for f in fields(Measurement)}
    assert tuple(SCHEMA["properties"]["stage"]["enum"]) == STAGES
    assert SCHEMA["properties"]["schema"]["const"] == record.SCHEMA
    assert all("description" in SCHEMA["properties"][name] for name in ("key", "facts", "per_image", "limited"))


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "training"},
        {"status": "done"},
        {"seed": 0.5},
        {"metrics": (Measurement("psnr", None),)},
        {"metrics": (Measurement("psnr", 1.0, n=-1),)},
        {"metrics": (Measurement("psnr", 1.0, signature={"a": [1]}),)},
        {"status": "failed"},
        {"error": "but the status is ok"},
    ],
)
def test_the_schema_refuses_what_a_result_may_not_say(change):
    with pytest.raises(jsonschema.ValidationError):
        valid(to_json(replace(FULL, **change)))


def test_a_number_that_json_cannot_say_is_not_written():
    with pytest.raises(ValueError, match="JSON"):
        to_json(replace(FULL, metrics=(Measurement("psnr", float("nan")),)))


def test_an_older_schema_is_upgraded_step_by_step(monkeypatch):
    def from_one(raw):
        return {**raw, "schema": 2, "title": raw["title"].upper()}

    def from_two(raw):
        return {**raw, "schema": 3, "dataset": f"{raw['dataset']}/{raw['title']}"}

    monkeypatch.setattr(record, "SCHEMA", 3)
    monkeypatch.setattr(record, "UPGRADES", {1: from_one, 2: from_two})
    result = from_json(to_json(replace(FULL, schema=1)), "file")
    assert (result.schema, result.title, result.dataset) == (3, "VQGAN", "photos/VQGAN")


def test_density_and_coverage_of_schema_1_carry_the_k_at_which_they_were_taken():
    names = ("coverage-r64", "density", "coverage-k3-r64", "precision-r64", "coverage")
    signatures = ({"neighbours": 3}, {"neighbours": 3}, {}, {"neighbours": 3}, {"neighbours": 5})
    metrics = tuple(Measurement(n, 0.5, signature=s) for n, s in zip(names, signatures, strict=True))
    found = from_json(to_json(replace(FULL, schema=1, metrics=metrics)), "file")
    expected = ["coverage-k3-r64", "density-k3", "coverage-k3-r64", "precision-r64", "coverage"]
    assert [m.name for m in found.metrics] == expected
    again = from_json(to_json(found), "file")
    assert again == found
    plain = replace(FULL, metrics=metrics)
    assert from_json(to_json(plain), "file") == plain, "from schema 2 on a name says what it means"


@pytest.mark.parametrize("metrics", [3, "x", {"name": "coverage"}, ["coverage"], [{"name": 3}], [{"signature": []}]])
def test_what_is_no_list_of_numbers_is_refused_after_the_upgrade_too(metrics):
    text = json.dumps({**json.loads(to_json(FULL)), "schema": 1, "metrics": metrics})
    with pytest.raises(UsageError, match="file"):
        from_json(text, "file")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({"schema": record.SCHEMA + 1}), "newer version"),
        (json.dumps({"method": "x"}), "no schema version"),
        ("[]", "does not hold a result"),
        ("{", "not valid JSON"),
        (json.dumps({"schema": record.SCHEMA, "metrics": [], "limited": []}), "lacks the field stage"),
        (json.dumps({**json.loads(to_json(FULL)), "surprise": 1}), "surprise"),
    ],
)
def test_unreadable_results_name_the_file(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        from_json(text, "results/x.json")
    assert "results/x.json" in str(caught.value)


def test_signatures_are_compared_by_content_not_by_order():
    one, other = {"a": 1, "b": None, "c": "x"}, {"c": "x", "b": None, "a": 1}
    assert signature_id(one) == signature_id(other)
    assert len(signature_id(one)) == 12
    assert signature_difference(one, {"a": 2, "c": "x", "d": 4}) == ["a", "d"]
    assert signature_id(one) != signature_id({**one, "a": 2})
