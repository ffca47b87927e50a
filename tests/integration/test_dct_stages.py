"""All stages of ``dct``: rates, likelihood, heat maps, free and conditional samples with their baselines."""

import json

import numpy as np
import pytest
from PIL import Image


def write_gradients(folder, count=24):
    """Smooth 32 px images in a train and a val split, each a little different."""
    random = np.random.default_rng(0)
    down, right = np.mgrid[0:32, 0:32] / 31
    for split, number in (("train", count), ("val", 8)):
        (folder / split).mkdir(parents=True)
        for i in range(number):
            ends = random.uniform(0, 255, (3, 3))
            pixels = ends[0] + (ends[1] - ends[0]) * down[..., None] / 2 + (ends[2] - ends[0]) * right[..., None] / 2
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / split / f"{i}.png")
    return folder


@pytest.fixture
def run(cache, tmp_path, command):
    dataset = f"folder:{write_gradients(tmp_path / 'gradients')}"

    def call(method, stages, *more):
        small = ["--set", "prior_images_seen=160", "--set", "samples=8"]
        flags = ["--methods", method, "--dataset", dataset, "--preset", "smoke", "--stages", stages]
        return command("run", *flags, *small, "--out", str(tmp_path / "out"), *more)

    return call


def result(tmp_path, stage, task=None):
    """The result of the only cell of that task that has the stage, and its folder."""
    files = list((tmp_path / "out").rglob(f"{stage}.json"))
    chosen = [path for path in files if json.loads(path.read_text())["task"] == task]
    assert len(chosen) == 1
    return json.loads(chosen[0].read_text()), chosen[0].parent


def values(found):
    return {m["name"]: m["value"] for m in found["metrics"] if m["value"] is not None}


def test_every_stage_runs_and_says_what_it_should(run, tmp_path):
    done = run("dct:q=20", "recon,cost,prior,sample,gen")
    assert done.code == 0, done.err
    rates, folder = result(tmp_path, "recon")
    bits = values(rates)
    assert bits["entropy-bits-per-image"] < bits["bits-per-image"] < bits["jpeg-file-bits-per-image"]
    assert bits["entropy-bits-per-pixel"] == pytest.approx(bits["entropy-bits-per-image"] / 1024)
    assert Image.open(folder / "recon.placement.png").size == (8 * 32, 5 * 32)
    prior, _ = result(tmp_path, "prior")
    assert 0 < values(prior)["nll-bits-per-image"] < 3 * bits["entropy-bits-per-image"]
    samples, folder = result(tmp_path, "sample")
    assert values(samples)["samples"] == 8
    assert Image.open(folder / "sample.placement.png").size == (8 * 32, 5 * 32)
    generated, _ = result(tmp_path, "gen")
    assert "fd-r64" in values(generated)
    assert not [name for name in values(generated) if name.startswith(("given-", "original-"))]


@pytest.mark.parametrize(("method", "task"), [("dct:q=20", "upsample"), ("dct:q=20,order=luma-first", "colorize")])
def test_conditional_tasks_are_measured_beside_what_they_were_given(run, tmp_path, method, task):
    done = run(method, "gen", "--task", task)
    assert done.code == 0, done.err
    found = values(result(tmp_path, "gen", task)[0])
    for prefix in ("", "given-", "original-"):
        assert found[f"{prefix}fd-r64"] >= 0
    assert found["given-fd-r64"] != found["original-fd-r64"]


def test_a_task_does_not_apply_to_methods_that_lack_it_and_trains_none_of_them(run, tmp_path):
    done = run("dct:q=20,downsample:8,vqgan", "gen", "--task", "upsample")
    assert done.code == 0, done.err
    found = {path.parts[-3]: json.loads(path.read_text()) for path in (tmp_path / "out").rglob("gen.json")}
    assert {name: gen["status"] for name, gen in found.items()} == {
        "dct+q=20": "ok",
        "downsample+8": "not-applicable",
        "vqgan": "not-applicable",
    }
    assert "no task 'upsample'" in found["vqgan"]["error"]
    assert not [path for path in (tmp_path / "out").rglob("train.json") if "vqgan" in path.parts]


def test_a_task_that_no_method_of_the_run_has_is_refused_with_the_option_it_needs(run):
    done = run("dct:q=20", "gen", "--task", "colorize")
    assert done.code == 2
    assert "needs the option order=luma-first" in done.err
