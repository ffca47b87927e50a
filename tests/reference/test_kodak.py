"""JPEG and WebP on the Kodak photographs of 768 x 512 against the curves that CompressAI publishes (Pillow 7.1.2).

BENCH_KODAK=DIR pytest -m slow tests/reference/test_kodak.py, where DIR holds kodim01.png to kodim24.png.

WebP agrees to the digits that are quoted. Of JPEG the published files were written and read by IJG's libjpeg 9d: its
files are the same but for rounding in the transform, and libjpeg-turbo decodes them 0.07 to 0.13 dB nearer to the
originals, up to quality 90.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.report.quoted import load_quoted

ROOT = Path(__file__).parents[2]
TOLERANCES = {
    "jpeg": {"bits-per-pixel": (-0.011, 0.0005), "psnr": (-0.002, 0.14), "ms-ssim": (-0.00005, 0.0045)},
    "webp": {"bits-per-pixel": (-0.0006, 0.0006), "psnr": (-0.002, 0.002), "ms-ssim": (-0.00002, 0.00002)},
}
"""How far ours may lie below and above the published number."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """The numbers of a run, by method and metric."""
    if "BENCH_KODAK" not in os.environ:
        pytest.skip("BENCH_KODAK names no folder of the 24 Kodak photographs")
    folder = tmp_path_factory.mktemp("kodak")
    environment = {**os.environ, "BENCH_CACHE": str(folder / "cache"), "BENCH_WEIGHTS": ""}
    for command in (
        f"data prepare kodak --protocol native --from {os.environ['BENCH_KODAK']}",
        f"run -m jpeg:q=5..95,webp:q=5..95 -d kodak --protocol native --stages recon --out {folder / 'out'}",
    ):
        subprocess.run([sys.executable, "-m", "bench", *command.split()], cwd=ROOT, env=environment, check=True)
    results = [json.loads(path.read_text()) for path in (folder / "out").rglob("recon.json")]
    return {result["method"]: {metric["name"]: metric["value"] for metric in result["metrics"]} for result in results}


@pytest.mark.slow
@pytest.mark.parametrize("codec", TOLERANCES)
def test_the_published_curves_are_reproduced(measured: dict[str, dict[str, float]], codec: str) -> None:
    quoted = {
        row.bench: row.values
        for table in load_quoted(ROOT / "results" / "quoted" / "compressai.json")
        for row in table.rows
    }
    ours = {method: numbers for method, numbers in measured.items() if method.startswith(codec)}
    assert sorted(ours) == sorted(f"{codec}:q={quality}" for quality in range(5, 100, 10))
    for method, numbers in ours.items():
        assert numbers["bits-per-image"] == pytest.approx(numbers["bits-per-pixel"] * 768 * 512)
        for metric, (below, above) in TOLERANCES[codec].items():
            difference = numbers[metric] - quoted[method][metric].value
            assert below <= difference <= above, f"{method} {metric}: {difference:+.5f}"
