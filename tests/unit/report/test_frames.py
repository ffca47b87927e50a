"""Results as data frames: a row for every number with its signature, and the values per image."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest

import bench
from bench.errors import UsageError
from bench.results.record import signature_id
from bench.results.store import Place
from tests.unit.report.sample_results import MISSING, SIGNATURE, per_image, recon, result, usual


def write(root, results, values=None):
    for r in results:
        Place(root, r.dataset, r.preset, r.method, r.seed).write(r, values)
    return root


def test_every_number_is_a_row_with_its_signature(tmp_path):
    made = usual()
    frame = bench.load_results(write(tmp_path, made))
    assert len(frame) == sum(max(len(r.metrics), 1) for r in made)
    (row,) = frame.query("method == 'vqgan' and seed == 1 and metric == 'psnr'").to_dict("records")
    assert row["value"] == 22.2
    assert (row["unit"], row["higher_is_better"], row["n"]) == ("dB", True, 64)
    assert (row["signature"], row["signature_id"]) == (SIGNATURE, signature_id(SIGNATURE))
    assert row["file"] == str(tmp_path / "photos-smoke" / "vqgan" / "seed1" / "recon.json")
    assert frame.query("method == 'jpeg:q=10'").limited.unique().tolist() == ["eval_limit"]
    means = frame.query("metric == 'psnr'").groupby("method").value.mean()
    assert means["vqgan"] == pytest.approx(22.1)


def test_an_absent_number_and_a_failed_stage_say_why(tmp_path):
    frame = bench.load_results(str(write(tmp_path, usual())))
    absent = frame.query("method == 'brics' and metric == 'lpips-vgg'").iloc[0]
    assert np.isnan(absent.value)
    assert absent.reason == MISSING
    failed = frame.query("method == 'brics' and stage == 'cost'").iloc[0]
    assert (failed.status, failed.error) == ("failed", "the grid is too large")
    assert pandas.isna(failed.metric), "nothing was measured"


def test_values_per_image_on_request(tmp_path):
    values = np.array([19.0, 22.0, 25.0])
    names = np.array(["a.png", "b.png", "c.png"])
    write(tmp_path / "named", [per_image(recon("a", 22.0), 3)], {"psnr": values, "image": names})
    write(tmp_path / "plain", [per_image(recon("b", 22.0), 3), result("b", "cost")], {"psnr": values})
    frame = bench.load_results(tmp_path / "named", tmp_path / "plain", per_image=True)
    assert frame.value.tolist() == [*values, *values]
    assert frame.image.tolist() == [*names, 0, 1, 2]
    assert set(frame.metric) == {"psnr"}
    whole = bench.load_results(tmp_path / "named")
    assert set(frame.signature_id) == set(whole[whole.metric == "psnr"].signature_id)
    assert bench.load_results(write(tmp_path / "none", [recon("c", 20.0)]), per_image=True).empty


def test_a_folder_without_results_is_said(tmp_path):
    with pytest.raises(UsageError, match="There are no results in"):
        bench.load_results(tmp_path)


def test_the_root_of_the_package_loads_nothing():
    program = "import sys, bench\nprint({'pandas', 'numpy', 'torch', 'bench.report', 'typer'} & set(sys.modules))"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
