"""Generation from the command line to the table: every prior, the ablation of BRICS, and images made elsewhere."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.results.record import Result, from_json
from tests import sources

ALWAYS = {f"{name}-r64" for name in ("fd", "precision", "recall", "density", "coverage")}
NEED_WEIGHTS = {"fid", "sfid", "clip-fid", "is"}
ABLATION = [f"brics:codes={codes},schedule={schedule}" for schedule in "ab" for codes in "cd"]
BUDGET = ("--set", "images_seen=96", "--set", "prior_images_seen=96", "--set", "samples=16")


def results(out: Path) -> dict[tuple[str, str], Result]:
    found = [from_json(path.read_text(), str(path)) for path in out.rglob("*.json")]
    return {(result.method, result.stage): result for result in found}


def values(result: Result) -> dict[str, float]:
    return {m.name: m.value for m in result.metrics if m.value is not None}


@pytest.fixture
def church(cache, tmp_path, command):
    """Forty pictures prepared as LSUN-church, in its format."""
    data = sources.lsun(tmp_path / "data", train=32, val=8, side=40)
    prepared = command("data", "prepare", "church", "--resolution", "32", "--protocol", "ldm", "--from", str(data))
    assert prepared.code == 0, prepared.err

    def run(*arguments, out="out"):
        flags = ["--dataset", "church", "--preset", "smoke", *BUDGET, "--out", str(tmp_path / out)]
        return command("run", *flags, *arguments)

    return run


def test_every_prior_fills_the_generation_table(church, command, tmp_path):
    """The four configurations of BRICS and every other prior, in one command, beside the published rows."""
    methods = [*ABLATION, "vqgan", "rqvae", "kl-ldm", "vq-ldm"]
    arguments = ("--methods", ",".join(methods), "--stages", "train,recon,cost,prior,sample,gen")
    done = church(*arguments)
    assert done.code == 0, done.err
    assert "Generation: church, published" in done.out
    assert "LDM-8 (KL) 32×32×4" in done.out
    found = results(tmp_path / "out")
    for method in methods:
        for stage in ("train", "recon", "cost", "prior", "sample", "gen"):
            assert found[method, stage].status == "ok"
        measured = {m.name: m for m in found[method, "gen"].metrics}
        assert all(np.isfinite(measured[name].value) and measured[name].n == 16 for name in ALWAYS)
        for name in NEED_WEIGHTS:
            assert measured[name].value is None
            assert "python -m bench fetch" in str(measured[name].reason)
        assert method in done.out
    report = command("report", "--results", str(tmp_path / "out"), "--out", str(tmp_path / "report"), "--format", "md")
    assert report.code == 0, report.err
    text = "".join(path.read_text() for path in (tmp_path / "report").rglob("*.md"))
    assert all(method in text for method in methods)
    assert "3.97" in text  # the published FID of BRICS b+d, beside
    rows = {name: found[name, "sample"].facts["samples"] for name in methods}
    assert len(set(rows.values())) == len(rows)
    revisions = [found[name, "recon"].facts["revision"] for name in ABLATION]
    assert revisions[:2] == revisions[2:]
    assert revisions[0] != revisions[1]
    for path in (tmp_path / "out").rglob("gen.neighbours.png"):
        assert Image.open(path).size == (8 * 32, 4 * 32)
        assert Image.open(path.with_name("sample.grid.png")).size == (4 * 32, 4 * 32)
    assert church(*arguments).err.count("done before") >= 6 * len(methods)


def training_images(cache: Path) -> np.ndarray:
    """The prepared training images, uint8 [32, 32, 32, 3]."""
    [pixels] = [path for path in cache.rglob("pixels.u8") if path.stat().st_size == 32 * 3 * 32 * 32]
    return np.fromfile(pixels, np.uint8).reshape(32, 3, 32, 32).transpose(0, 2, 3, 1)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def nvidia_zip(path: Path, pixels: np.ndarray) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("dataset.json", json.dumps({"labels": None}))
        for i, image in enumerate(pixels):
            archive.writestr(f"00000/img{i:08d}.png", png(image))
    return path


def adm_npz(path: Path, pixels: np.ndarray) -> Path:
    np.savez(path, pixels)
    return path


def test_samples_from_elsewhere_are_rows_and_planted_copies_are_warned_of(church, cache, tmp_path):
    """The same images in a zip file and in an npz file have the same numbers; they are the training images."""
    pixels = training_images(cache)[:12]
    rows = [
        f"samples:StyleGAN2={nvidia_zip(tmp_path / 'nvidia.zip', pixels)}",
        f"samples:ADM={adm_npz(tmp_path / 'adm.npz', pixels)}",
    ]
    done = church("--methods", rows[0], "--methods", rows[1], "--stages", "gen")
    assert done.code == 0, done.err
    found = results(tmp_path / "out")
    zipped, batch = (found[row, "gen"] for row in rows)
    assert values(zipped) == values(batch)
    assert values(zipped)["precision-r64"] == 1.0
    assert zipped.facts["equal_in_every_pixel"] == 12
    assert done.err.count("warning: ") == 2
    assert "(12 equal one in every pixel)" in zipped.facts["memorisation_warning"]


def test_samples_of_another_size_are_refused_and_do_not_sink_the_rest(church, cache, tmp_path):
    pixels = np.repeat(np.repeat(training_images(cache)[:12], 2, 1), 2, 2)
    good = nvidia_zip(tmp_path / "good.zip", 255 - training_images(cache)[:12])
    larger = nvidia_zip(tmp_path / "larger.zip", pixels)
    done = church("--methods", f"samples:large={larger}", "--methods", f"samples:good={good}", "--stages", "gen")
    assert done.code == 3
    assert "holds images of 64x64 pixels, but this run measures at 32" in done.err
    found = results(tmp_path / "out")
    assert found[f"samples:large={larger}", "gen"].status == "failed"
    assert found[f"samples:good={good}", "gen"].facts["memorisation_warning"] is None


def test_fewer_samples_than_a_metric_needs_are_a_reason_at_each_number(church, cache, tmp_path):
    one = f"samples:one={adm_npz(tmp_path / 'one.npz', training_images(cache)[:1])}"
    done = church("--methods", one, "--stages", "gen")
    assert done.code == 0, done.err
    found = results(tmp_path / "out")[one, "gen"]
    reasons = {m.name: m.reason for m in found.metrics if m.value is None}
    assert "a covariance needs at least two" in str(reasons["fd-r64"])
    for name in ("precision-r64", "recall-r64"):
        assert "needs at least" in str(reasons[name])
    assert not {"density-r64", "coverage-r64"} & reasons.keys(), "their balls are the reference's alone"


def test_reconstructions_from_elsewhere_are_paired_by_name(church, cache, tmp_path):
    """A missing name is refused; names without an original are left out, and said to be."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8)
    names = [sources.lsun_key(seed) for seed in range(32, 40)]
    files = dict(zip([f"{name}.png" for name in [*names, "extra"]], map(png, pixels), strict=True))
    whole = sources.folder(tmp_path / "whole", files)
    lacking = sources.folder(tmp_path / "lacking", dict(list(files.items())[1:]))
    rows = [f"recons:whole={whole}", f"recons:lacking={lacking}"]
    done = church("--methods", rows[0], "--methods", rows[1], "--stages", "recon")
    assert done.code == 3
    assert "1 of 8 images of the reference have no file of their name" in done.err
    assert names[0] in done.err
    assert "1 file without an original" in done.err
    found = results(tmp_path / "out")
    assert found[rows[0], "recon"].facts["paired_by"] == "path"
    assert found[rows[0], "recon"].facts["left_out"] == 1
    assert found[rows[1], "recon"].status == "failed"
    assert 5 < values(found[rows[0], "recon"])["psnr"] < 12
