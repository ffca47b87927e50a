"""One pass over the same images, a column for each camp's ruler."""

import json

import pytest
from PIL import Image

from bench.metrics.protocols import CAMPS, EVERY_CAMP, PROTOCOLS

from .scoring import bench, pictures, scored, write


@pytest.fixture
def smooth(tmp_path):
    """Enlarged noise and its JPEG versions: compression changes it little."""
    real, fake = tmp_path / "originals", tmp_path / "jpeg25"
    fake.mkdir()
    for path in write(real, pictures(0, 3, (4, 4))).iterdir():
        image = Image.open(path).resize((48, 40), Image.Resampling.BICUBIC)
        image.save(path)
        image.save(fake / f"{path.stem}.jpg", quality=25)
    return real, fake


def test_one_command_prints_a_column_for_every_camp(smooth):
    code, out, _ = bench("score", "--real", smooth[0], "--fake", smooth[1], "--all-protocols", "--exact")
    assert code == 0
    for camp in CAMPS:
        assert f" {camp.name}" in out
    assert "jpeg25 · SSIM" in out
    assert "ssim-uniform7-range2" in out
    assert "Absent: titok measures no such number." in out
    assert "fid" not in out.replace("comparable", "")


def test_the_numbers_are_those_of_each_protocol_alone_and_say_which_they_are(smooth):
    asked = ("--real", smooth[0], "--fake", smooth[1])
    every = scored(*asked, "--all-protocols", "--exact")
    assert set(every) == set(PROTOCOLS[EVERY_CAMP].pairs)
    alone = scored(*asked, "--protocol", "llamagen")
    assert alone["ssim-uniform7-range2"]["value"] == every["ssim-uniform7-range2"]["value"]
    assert alone["ssim-uniform7-range2"]["signature"]["range"] == "2 for images in [0, 1]"
    assert "ssim-uniform7-truncated-batches4" not in alone
    assert every["ssim-uniform7-range2"]["value"] > every["ssim-uniform7-truncated-batches4"]["value"] + 0.01


def test_without_a_word_that_they_are_exact_images_have_no_unrounded_values(smooth):
    asked = ("--real", smooth[0], "--fake", smooth[1], "--all-protocols")
    found = scored(*asked)
    with_value = {name for name, m in found.items() if m["value"] is not None}
    assert with_value == {"psnr", "ssim", "ssim-uniform7-range2"}
    assert "images are of 8 bits, rounded before" in found["psnr-unrounded"]["reason"]
    out = " ".join(bench("score", *asked)[1].split())
    assert "bench score --exact" in out
    assert bench("score", *asked, "--metrics", "psnr")[0] == 2
    assert bench("score", *asked, "--protocol", "adm")[0] == 2


def test_a_run_under_every_protocol_gives_the_report_the_table(tmp_path):
    run = (
        "run",
        "--methods",
        "jpeg:q=25,downsample:4",
        "--dataset",
        "photos",
        "--preset",
        "smoke",
        "--stages",
        "recon",
    )
    measuring = ("--eval-limit", "4", "--metric-protocol", EVERY_CAMP, "--out", tmp_path / "results")
    code, _, said = bench(*run, *measuring)
    assert code == 0, said
    formats = ("--format", "md,latex,html,json")
    code, _, said = bench("report", "-r", tmp_path / "results", "--out", tmp_path / "report", *formats)
    assert code == 0, said
    tables = json.loads((tmp_path / "report" / "report.json").read_text())
    (table,) = [t for t in tables if t["table"] == "rulers"]
    names = [column["name"] for column in table["columns"]]
    row = next(r for r in table["rows"] if r["method"] == "jpeg:q=25 · SSIM")
    values = dict(zip(names, (cell["value"] for cell in row["cells"]), strict=True))
    assert values["llamagen"] > values["this program"]
    assert values["spread"] == pytest.approx(values["llamagen"] - values["this program"])
    assert values["bsq-vit"] is None
    assert "ruler" in (tmp_path / "report" / "report.md").read_text()
