"""JPEG and WebP on the Kodak photographs at 768 x 512 against the curves that CompressAI keeps in its repository.

BENCH_KODAK=DIR pytest -m slow tests/reference/test_kodak.py

The curves were made with Pillow 7.1.2, whose wheels held IJG's libjpeg 9d. At equal quality libjpeg-turbo writes files
of the same length to 0.3 % and decodes them a little nearer to the original: 0.07 to 0.13 dB, at quality 95 nothing.
libwebp has written and decoded the same since.
"""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.report.load import load
from bench.report.published import against_published
from bench.report.quoted import load_quoted
from bench.report.writers.text import to_text

QUOTED = Path(__file__).parents[2] / "results" / "quoted" / "compressai.json"
QUALITIES = (5, 50, 95)
LABELS = [f"{codec}:q={quality}" for codec in ("jpeg", "webp") for quality in QUALITIES]

WITHIN = {
    "jpeg": {"psnr": (-0.01, 0.15), "ms-ssim": (-0.0005, 0.005), "bits-per-pixel": (-0.003, 0.0005)},
    "webp": {"psnr": (-0.005, 0.005), "ms-ssim": (-0.0002, 0.0002), "bits-per-pixel": (-0.0005, 0.0005)},
}
"""Measured minus published, at equal quality; of bits as a share of the published. Published are 3, 4 and 4 digits."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of a run on the photographs, prepared by name and neither cropped nor resized."""
    if "BENCH_KODAK" not in os.environ:
        pytest.skip("BENCH_KODAK names no folder of the 24 Kodak photographs")
    root = tmp_path_factory.mktemp("kodak")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(root / "cache"))
        called("data", "prepare", "kodak", "--from", os.environ["BENCH_KODAK"], "--protocol", "native")
        native = ("--dataset", "kodak", "--protocol", "native", "--stages", "recon")
        printed = called("run", "--methods", ",".join(LABELS), *native, "--out", str(root / "out"))
    assert "Reconstruction: kodak, 512x768 to 768x512, published" in printed
    return [loaded.result for loaded in load([root / "out"]) if loaded.result.stage == "recon"]


def called(*arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("label", LABELS)
def test_a_codec_reproduces_the_published_curve(results, label):
    rows = {row.bench: row.values for table in load_quoted(QUOTED) for row in table.rows}
    (result,) = [r for r in results if r.method == label]
    ours = {m.name: m.value for m in result.metrics}
    found = {name: ours[name] - quote.value for name, quote in rows[label].items()}
    found["bits-per-pixel"] /= rows[label]["bits-per-pixel"].value
    print(
        label, {name: f"{ours[name]:.4f}, published {rows[label][name].value} ({d:+.4f})" for name, d in found.items()}
    )
    assert result.facts["image_sizes"] == "512x768 to 768x512"
    assert found.keys() == {"psnr", "ms-ssim", "bits-per-pixel"}
    for name, difference in found.items():
        least, most = WITHIN[label.partition(":")[0]][name]
        assert least <= difference <= most, name


@pytest.mark.slow
def test_published_ours_and_difference_stand_side_by_side(results):
    (table,) = against_published(results, load_quoted(QUOTED))
    assert len(table.rows) == 3 * len(LABELS)
    text = to_text(table)
    print(text)
    assert "Differs (library: another release of a library)" in text
